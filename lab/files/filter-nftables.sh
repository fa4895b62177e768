# shellcheck shell=sh
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs in a gateway: an administrator's nftables with default-drop egress. Arguments: the addresses at which the hub may be reached.
admitted=$(echo "$@" | sed 's/ /, /g')
mkdir -p /etc/nftables.d
cat > /etc/nftables.conf << END
#!/usr/sbin/nft -f
flush ruleset

table inet filter {
  # the hub; NET-2041
  set hubs { type ipv4_addr; flags interval; counter; elements = { 192.0.2.44, $admitted } }
  # the partner's brokers; NET-2203
  set brokers { type ipv4_addr; flags interval; elements = { 198.51.100.128/25 } }
  set banned { type ipv4_addr; flags timeout; elements = { 198.51.100.7 timeout 1d } }
  chain input {
    type filter hook input priority 0; policy accept;
    ct state invalid drop
    tcp dport 22 accept comment "from anywhere, NET-17"
  }
  chain output {
    type filter hook output priority 0; policy drop;
    oif "lo" accept comment "loopback"
    meta l4proto { tcp, udp } th dport 53 accept
    ip daddr @brokers tcp dport 8883 counter accept
    ip daddr @brokers counter drop comment "nothing but MQTT"
    ct state established,related accept
    meta l4proto { icmp, ipv6-icmp } accept
    ip daddr @hubs tcp dport { 443, 8883 } counter accept
  }
  chain forward {
    type filter hook forward priority 0; policy drop;
    ct state established,related accept
    meta l4proto { tcp, udp } th dport 53 accept
    iifname "docker0" ip daddr { $admitted } tcp dport { 443, 8883 } counter accept
  }
}

# as docker and fail2ban leave them
table ip nat {
  chain DOCKER {
    iifname "docker0" counter return
  }
  chain PREROUTING {
    type nat hook prerouting priority -100; policy accept;
    fib daddr type local counter jump DOCKER
  }
  chain POSTROUTING {
    type nat hook postrouting priority 100; policy accept;
    ip saddr 172.17.0.0/16 oifname != "docker0" counter masquerade
  }
}
table inet f2b-table {
  set addr-set-sshd { type ipv4_addr; elements = { 203.0.113.9 } }
  chain f2b-chain {
    type filter hook input priority -1;
    tcp dport 22 ip saddr @addr-set-sshd reject
  }
}

include "/etc/nftables.d/*.nft"
END
systemctl enable --quiet nftables
systemctl restart nftables
