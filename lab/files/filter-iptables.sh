# shellcheck shell=sh
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# An administrator's iptables and ipset with some years behind them, kept by netfilter-persistent. Arguments: the addresses at
# which the hub may be reached.
set -eu
export DEBIAN_FRONTEND=noninteractive
if ! [ -e /usr/share/netfilter-persistent/plugins.d/10-ipset ]; then
  # ufw and the persistent ones exclude each other; what is in the kernel is not to be saved by their installation
  echo 'iptables-persistent iptables-persistent/autosave_v4 boolean false
iptables-persistent iptables-persistent/autosave_v6 boolean false' | debconf-set-selections
  dpkg --purge ufw > /dev/null 2>&1
  dpkg --install /usr/share/lab/*-persistent_*.deb > /dev/null 2>&1
fi
cat > /etc/iptables/ipsets <<SETS
# the hub's addresses, see ticket 4711
create hubs hash:net family inet hashsize 1024 maxelem 65536 counters
add hubs 192.0.2.44
add hubs 203.0.113.128/25
$(for address in "$@"; do echo "add hubs $address"; done)
create hubs6 hash:net family inet6 hashsize 1024 maxelem 65536
create banned hash:ip family inet hashsize 1024 maxelem 65536 timeout 86400
create lan hash:net family inet hashsize 1024 maxelem 1000 comment
add lan 10.88.0.0/16 comment "the plant, first floor"
add lan 10.88.7.0/24 nomatch comment "visitors"
create sites list:set size 8
add sites lan
create doors hash:ip,port family inet hashsize 1024 maxelem 65536
SETS
cat > /etc/iptables/rules.v4 <<'RULES'
# Written by hand since 2016
*mangle
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A POSTROUTING -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT DROP [0:0]
:DOCKER-USER - [0:0]
:egress - [0:0]
:f2b-sshd - [0:0]

-A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd
-A INPUT -m set --match-set banned src -j DROP
-A FORWARD -j DOCKER-USER
-A OUTPUT -o lo -m comment --comment "loopback" -j ACCEPT
-A OUTPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A OUTPUT -p icmp -j ACCEPT
-A OUTPUT -j egress
-A DOCKER-USER -j RETURN
# names, then the hub
-A egress -p udp -m udp --dport 53 -j ACCEPT
-A egress -p tcp -m tcp --dport 53 -j ACCEPT
-A egress -p tcp -m set --match-set hubs dst -m multiport --dports 443,8883 -j ACCEPT
-A egress -m set --match-set sites dst -j ACCEPT
-A egress -m limit --limit 5/min -j LOG --log-prefix "egress: "
-A f2b-sshd -s 203.0.113.9/32 -j REJECT --reject-with icmp-port-unreachable
-A f2b-sshd -j RETURN
COMMIT
RULES
cat > /etc/iptables/rules.v6 <<'RULES'
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT DROP [0:0]
-A OUTPUT -o lo -j ACCEPT
-A OUTPUT -p ipv6-icmp -j ACCEPT
-A OUTPUT -p tcp -m set --match-set hubs6 dst -m multiport --dports 443,8883 -m comment --comment "hub, v6" -j ACCEPT
COMMIT
RULES
# A table of somebody else's, and an element that expires: made anew at each boot
cat > /usr/local/sbin/other-rules <<'SCRIPT'
#!/bin/sh
set -eu
ipset -exist add banned 198.51.100.7
nft -f - <<'RULESET'
table inet watch {
  set seen { type ipv4_addr; flags timeout; elements = { 198.51.100.7 timeout 1d } }
  chain mail { type filter hook output priority -150; tcp dport 25 counter comment "mail"; }
}
RULESET
SCRIPT
chmod 755 /usr/local/sbin/other-rules
cat > /etc/systemd/system/other-rules.service <<'UNIT'
[Unit]
After=netfilter-persistent.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/sbin/other-rules
[Install]
WantedBy=multi-user.target
UNIT
netfilter-persistent start > /dev/null 2>&1
systemctl enable --quiet --now other-rules
systemctl restart netfilter-persistent
