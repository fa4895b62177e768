# shellcheck shell=sh
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs in a gateway: its hub client moves into a container, a network namespace as docker makes them, whose traffic the gateway forwards.
cat > /usr/local/sbin/lab-box << 'END'
#!/bin/sh
set -eu
ip netns add box
ip link add docker0 type veth peer name eth0 netns box
ip address add 172.17.0.1/16 dev docker0
ip link set docker0 up
ip -n box address add 172.17.0.2/16 dev eth0
ip -n box link set lo up
ip -n box link set eth0 up
ip -n box route add default via 172.17.0.1
END
chmod 755 /usr/local/sbin/lab-box
cat > /etc/systemd/system/lab-box.service << 'END'
[Unit]
Description=Lab box: the network of a container
After=network.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/sbin/lab-box
END
mkdir -p /etc/systemd/system/lab-client.service.d
cat > /etc/systemd/system/lab-client.service.d/box.conf << 'END'
[Unit]
Requires=lab-box.service
After=lab-box.service

[Service]
NetworkNamespacePath=/run/netns/box
END
systemctl daemon-reload
systemctl restart lab-client
