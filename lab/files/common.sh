# shellcheck shell=sh
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs while a lab image is built: what all gateways have. Sourced by the others.
set -eu
rm -f /etc/ssh/ssh_host_*
mkdir -p /etc/ssh/sshd_config.d /etc/lab
echo 'Include /etc/lab/sshd.conf' > /etc/ssh/sshd_config.d/lab.conf
cp "/lab-build/lab-client.service" /etc/systemd/system/
systemctl enable --quiet lab-client.service
systemctl mask --quiet systemd-resolved.service systemd-timesyncd.service apt-daily.timer apt-daily-upgrade.timer
systemctl disable --quiet firewalld.service ufw.service
# Nobody's user manager is asked for anything here, and it takes as long to start as half of a gateway. With cgroups of version 1
# systemd misses the end of processes: it took two minutes to stop after the last session, and a login meanwhile waited for that
systemctl mask --quiet user@.service
# At each boot and reload they look for disks, consoles and old init scripts, which a container has not
mkdir -p /etc/systemd/system-generators
for generator in /lib/systemd/system-generators/*; do ln -s /dev/null "/etc/systemd/system-generators/${generator##*/}"; done
