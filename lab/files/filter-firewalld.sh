# shellcheck shell=sh
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# An administrator's firewalld with some years behind it. Arguments: the addresses at which the hub may be reached.
set -eu
etc=/etc/firewalld
mkdir -p "$etc/ipsets" "$etc/policies" "$etc/zones"
declare_xml() { echo '<?xml version="1.0" encoding="utf-8"?>'; }

{
  declare_xml
  echo '<ipset type="hash:net">'
  echo '  <short>Where devices may talk to</short>'
  echo '  <!-- see ticket 4711 before you add one -->'
  echo '  <option name="family" value="inet"/>'
  for address in "$@"; do echo "  <entry>$address</entry>"; done
  echo '</ipset>'
} > "$etc/ipsets/hubs.xml"
{ declare_xml; cat; } > "$etc/ipsets/hubs6.xml" <<'XML'
<ipset type="hash:net">
  <option name="family" value="inet6"/>
  <entry>2001:db8:5::/48</entry>
</ipset>
XML
{ declare_xml; cat; } > "$etc/ipsets/banned.xml" <<'XML'
<ipset type="hash:ip">
  <option name="timeout" value="86400"/>
</ipset>
XML
{ declare_xml; cat; } > "$etc/ipsets/printers.xml" <<'XML'
<ipset type="hash:net">
  <entry>192.0.2.66</entry>
</ipset>
XML
{ declare_xml; cat; } > "$etc/direct.xml" <<'XML'
<direct>
  <rule priority="0" table="filter" ipv="ipv4" chain="OUTPUT">-d 192.0.2.66 -m comment --comment 'the old printer' -j REJECT</rule>
</direct>
XML
{ declare_xml; cat; } > "$etc/zones/public.xml" <<'XML'
<zone>
  <short>Public</short>
  <service name="ssh"/>
  <service name="dhcpv6-client"/>
  <rule family="ipv4">
    <source ipset="banned"/>
    <drop/>
  </rule>
  <rule family="ipv4">
    <source address="198.51.100.0/24"/>
    <port port="2222" protocol="tcp"/>
    <log prefix="old ssh, don't" level="info">
      <limit value="1/m"/>
    </log>
    <accept>
      <limit value="5/m"/>
    </accept>
  </rule>
</zone>
XML

hub_rules() {
  for port in 443 8883; do
    for version in 4 6; do
      set="hubs${version#4}"
      echo "  <rule family=\"ipv$version\">"
      echo "    <destination ipset=\"$set\"/>"
      echo "    <port port=\"$port\" protocol=\"tcp\"/>"
      echo '    <accept/>'
      echo '  </rule>'
    done
  done
}
policy() { # name, ingress zone, egress zone, attributes; what it holds comes by standard input
  { declare_xml; echo "<policy $4>"; cat; printf '  <ingress-zone name="%s"/>\n  <egress-zone name="%s"/>\n</policy>\n' "$2" "$3"; } \
    > "$etc/policies/$1.xml"
}
names='  <service name="dns"/>
  <protocol value="icmp"/>
  <rule family="ipv4">
    <destination address="203.0.113.0/24"/>
    <port port="25" protocol="tcp"/>
    <reject/>
  </rule>'
zone_of() { # name, then what it holds
  name="$1"; shift
  { declare_xml; printf '%s\n' '<zone>' "$@" '</zone>'; } > "$etc/zones/$name.xml"
}
case "$(dpkg-query --show --showformat='${Version}' firewalld)" in
  0.*) # its rich rules know no destination ipset, and nothing goes out for belonging to a connection: whole zones are let out to
    names_at="$(sed -n 's/^nameserver //p' /etc/resolv.conf)"
    zone_of neighbours "  <source address=\"$names_at\"/>" '  <service name="ssh"/>'
    zone_of hubs '  <source ipset="hubs"/>'
    for zone in neighbours hubs; do policy "to-$zone" HOST "$zone" 'priority="-10" target="ACCEPT"' < /dev/null; done
    policy egress HOST ANY 'target="DROP"' < /dev/null
    ;;
  *)
    { echo "$names"; hub_rules; } | policy egress HOST ANY 'target="DROP"'
    ;;
esac
zone_of containers '  <interface name="docker0"/>'
echo "$names" | policy from-containers containers ANY 'target="DROP"'
# what RHEL has beside Debian's defaults
if [ -d /etc/pki/ca-trust ]; then
  sed -i 's#^</zone>#  <service name="cockpit"/>\n</zone>#' "$etc/zones/public.xml"
  sed -i 's/^LogDenied=.*/LogDenied=unicast/' "$etc/firewalld.conf"
fi
# A container may not start a service as another user, as polkit's unit of Debian 13 asks; firewalld would wait for it a minute
if grep -qs '^User=' /usr/lib/systemd/system/polkit.service; then systemctl --quiet mask polkit.service; fi
systemctl enable --quiet firewalld
systemctl restart firewalld
# Its unit has started before its rules are loaded; its bus answers when they are
answers='busctl --timeout=60 call org.fedoraproject.FirewallD1 /org/fedoraproject/FirewallD1 org.fedoraproject.FirewallD1 getDefaultZone'
$answers > /dev/null
# What Docker and fail2ban make, and a table of somebody else's, made anew at each boot as those do
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
cat > /etc/systemd/system/other-rules.service <<UNIT
[Unit]
After=firewalld.service
[Service]
Type=oneshot
ExecStartPre=/usr/bin/$answers
RemainAfterExit=yes
ExecStart=/usr/local/sbin/other-rules
[Install]
WantedBy=multi-user.target
UNIT
systemctl enable --quiet other-rules
systemctl start other-rules
