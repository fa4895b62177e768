#!/bin/sh
# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
# Installs the agent from the tarball that this script lies in: on a device, or into an image's root file system.
#
#   install.sh [--root DIR] [--inbox-group GROUP] [--firewall] KEYS.json AGENT.json
#
# Verify the tarball's signature first (docs/agent.md). Keys of the hub are not in it; AGENT.json says where they lie.
# GROUP is looked up where this runs: with --root give its number on the device. --firewall lets the agent change nftables.
set -eu

root=''
group='root'
firewall=''
usage() {
    echo 'usage: install.sh [--root DIR] [--inbox-group GROUP] [--firewall] KEYS.json AGENT.json' >&2
    exit 2
}
while [ "$#" -gt 2 ]; do
    case "$1" in
        --root) root="${2%/}" && shift 2 ;;
        --inbox-group) group="$2" && shift 2 ;;
        --firewall) firewall='yes' && shift ;;
        *) usage ;;
    esac
done
if [ "$#" -ne 2 ] || [ ! -f "$1" ] || [ ! -f "$2" ]; then
    usage
fi
here=$(dirname "$0")

# file mode, source, target; beside the target and renamed, so that a device that loses power has the old or the new one
put() {
    mkdir -p "$(dirname "$root$3")"
    cp "$2" "$root$3.new"
    chmod "$1" "$root$3.new"
    if [ "$(id -u)" -eq 0 ]; then
        chown 0:0 "$root$3.new"
    fi
    sync "$root$3.new"
    mv -f "$root$3.new" "$root$3"
}

put 0644 "$here/rootwave-agent.pyz" /usr/local/lib/rootwave/rootwave-agent.pyz
put 0644 "$2" /etc/rootwave/agent.json
for unit in rootwave-agent.service rootwave-inbox.service rootwave-inbox.path; do
    put 0644 "$here/$unit" "/etc/systemd/system/$unit"
done
for unit in rootwave-agent.service rootwave-inbox.service; do
    if [ -n "$firewall" ]; then
        put 0644 "$here/firewall.conf" "/etc/systemd/system/$unit.d/firewall.conf"
    else
        rm -f "$root/etc/systemd/system/$unit.d/firewall.conf"
    fi
done
# keys that a signed order has renewed on this device are newer than those of its image
if [ ! -e "$root/var/lib/rootwave/keys.json" ]; then
    put 0644 "$1" /var/lib/rootwave/keys.json
fi
mkdir -p "$root/var/lib/rootwave/inbox" "$root/var/lib/rootwave/outbox"
chmod 0755 "$root/var/lib/rootwave" "$root/var/lib/rootwave/outbox"
chgrp "$group" "$root/var/lib/rootwave/inbox"
chmod 1770 "$root/var/lib/rootwave/inbox"

# two front ends must not work on one device; the service of the inbox also runs at boot, to tell what became of a change
if tr -d '[:space:]' <"$2" | grep -q '"front_end":"inbox"'; then
    units='rootwave-inbox.path rootwave-inbox.service'
    others='rootwave-agent.service'
else
    units='rootwave-agent.service'
    others='rootwave-inbox.path rootwave-inbox.service'
fi
sync
# shellcheck disable=SC2086 # a list of units
if [ -n "$root" ]; then
    systemctl --root="$root" disable $others
    systemctl --root="$root" enable $units
else
    systemctl daemon-reload
    systemctl disable --now $others
    systemctl enable $units
    systemctl restart --no-block $units
fi
