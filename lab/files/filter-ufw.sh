# shellcheck shell=sh
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# An administrator's ufw with some years behind it. Arguments: the addresses at which the hub may be reached.
set -eu
quietly() { "$@" > /dev/null; }

quietly ufw default deny outgoing
quietly ufw default deny routed
quietly ufw allow in 22/tcp comment 'ssh'
quietly ufw limit in proto tcp from 198.51.100.0/24 to any port 2222
quietly ufw allow out 53 comment 'names'
quietly ufw deny out log proto tcp to 203.0.113.0/24 port 25 comment 'no mail'
quietly ufw deny in from 203.0.113.9
quietly ufw route deny in on docker0 out on eth1 to 198.51.100.0/24
quietly ufw allow out to 2001:db8:5::/48 port 443,8883 proto tcp
for address in "$@"; do
  quietly ufw allow out proto tcp to "$address" port 443,8883 comment 'hub'
done
# Lines of their own before the rules of the command: ufw leaves them alone
sed -i '/^# don.t delete the .COMMIT. line/i\
-A ufw-before-output -p icmp -j ACCEPT\
-A ufw-before-output -d 192.0.2.66 -m comment --comment "the old printer, see ticket 4711" -j REJECT\
' /etc/ufw/before.rules
quietly systemctl enable --quiet ufw
quietly ufw --force enable
# What Docker and fail2ban make in the same tables, and a table of somebody else's, made anew at each boot as those do
cat > /usr/local/sbin/other-rules <<'SCRIPT'
#!/bin/sh
set -eu
iptables -N DOCKER-USER
iptables -A DOCKER-USER -j RETURN
iptables -N f2b-sshd
iptables -A f2b-sshd -s 203.0.113.9/32 -j REJECT
iptables -A f2b-sshd -j RETURN
iptables -I INPUT -p tcp -m multiport --dports 22 -j f2b-sshd
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
After=ufw.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/sbin/other-rules
[Install]
WantedBy=multi-user.target
UNIT
quietly systemctl enable --quiet --now other-rules
