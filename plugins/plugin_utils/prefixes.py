# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. Pure: prefixes of an allowlist, whether a firewall may have them, and their minimised union.

A prefix keeps where it came from. Two prefixes of different sources are never merged into a third one that neither named, so
that a source that ends can be taken out again; one that lies in another one goes into it, and both sources are named.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MOST = 4096  # prefixes of one file; the whole tag has about 510
WIDEST = {4: 8, 6: 16}  # bits
SOURCE_MOST = 1000  # characters
PUBLIC, PRIVATE = "public", "private"
# Private: RFC 1918, 6598 and 4193, which are what a virtual network in Azure may have
PRIVATE_RANGES = tuple(map(ipaddress.ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")))
# IANA's special-purpose registries. A table of our own, since ipaddress's opinion moved between Python's patch releases
SPECIAL_RANGES = tuple(
    (ipaddress.ip_network(prefix), what)
    for prefix, what in (
        ("0.0.0.0/8", "this network"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local"),
        ("192.0.0.0/24", "IETF protocols"),
        ("192.0.2.0/24", "documentation"),
        ("192.88.99.0/24", "6to4 relays"),
        ("198.18.0.0/15", "benchmarks"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
        ("::1/128", "loopback"),
        ("fe80::/10", "link-local"),
        ("ff00::/8", "multicast"),
        ("2001::/23", "IETF protocols"),
        ("2001:db8::/32", "documentation"),
        ("2002::/16", "6to4"),
        ("3fff::/20", "documentation"),
    )
)
GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
# What we write ourselves after a name; the rest of a source is the operator's own text
STAMP = re.compile(r"(?<=\S)(, change \d+| \d{4}-\d\d-\d\d)$")
STAMPED = re.compile(r"AzureIoTHub[^;]*, change \d+|DNS \S+ \d{4}-\d\d-\d\d")
JOINT = "; "


class PrefixError(ValueError):
    """What no allowlist may have; the message says why."""


class Entry(NamedTuple):
    """One prefix of an allowlist, and the words for where it came from."""

    network: Network
    source: str

    def as_dict(self) -> dict[str, str]:
        return {"prefix": str(self.network), "source": self.source}


def network_of(text: object) -> Network:
    """A prefix, or an address as the prefix of itself alone."""
    if not isinstance(text, str):  # ip_network takes a number for an address
        raise PrefixError(f"{text!r} is no text; a prefix is like 20.1.2.0/24")
    try:
        return ipaddress.ip_network(text)
    except ValueError as exc:
        raise PrefixError(str(exc)) from exc


def must_be_usable(network: Network, meant: Iterable[str]) -> None:
    """``meant`` are kinds: PUBLIC, PRIVATE or both. Raises PrefixError."""
    widest = WIDEST[network.version]
    if network.prefixlen < widest:
        raise PrefixError(f"{network} is wider than /{widest}; it would open the firewall to a large part of the Internet")
    kind = _kind(network)
    if kind not in meant:
        remedy = "private: true is for private endpoints" if kind == PRIVATE else "with private: true only private ones are meant"
        raise PrefixError(f"{network} is {kind}; {remedy}")


def _kind(network: Network) -> str:
    """PUBLIC or PRIVATE; raises PrefixError for what is neither as a whole."""
    if any(_within(network, one) for one in PRIVATE_RANGES):
        return PRIVATE
    special = [*SPECIAL_RANGES, *((one, PRIVATE) for one in PRIVATE_RANGES)]
    touched = next(((one, what) for one, what in special if one.overlaps(network)), None)
    if touched:
        raise PrefixError(f"{network} has addresses of {touched[0]} ({touched[1]}), where no hub is")
    if network.version == 6 and not _within(network, GLOBAL_UNICAST):
        raise PrefixError(f"{network} is not among IPv6's public addresses, {GLOBAL_UNICAST}")
    return PUBLIC


def _within(network: Network, other: Network) -> bool:
    return network.version == other.version and network.subnet_of(other)  # type: ignore[arg-type]


def union(named: Iterable[tuple[Network, str]]) -> list[Entry]:
    """Exactly the addresses that were named, as few prefixes as sources allow; disjoint, in order, v4 before v6."""
    by_source: dict[str, set[Network]] = {}
    for network, source in named:
        by_source.setdefault(source, set()).add(network)
    sources: dict[Network, list[str]] = {}
    for source, networks in by_source.items():
        for version in (4, 6):
            same = [one for one in networks if one.version == version]
            for network in ipaddress.collapse_addresses(same):  # type: ignore[type-var]
                sources.setdefault(network, []).append(source)
    return outermost(sources, list(by_source))


def outermost(sources: Mapping[Network, Iterable[str]], order: list[str]) -> list[Entry]:
    """Without what lies in another prefix, whose sources the other one then names too, in ``order``.

    Prefixes lie in each other or apart, so in order of address the widest one stands before all that is in it.
    """
    found: dict[Network, set[str]] = {}
    last: Network | None = None
    for network in sorted(sources, key=lambda one: (one.version, one.network_address, one.prefixlen)):
        if last is None or not _within(network, last):
            last = network
        found.setdefault(last, set()).update(sources[network])
    rank = {source: index for index, source in enumerate(order)}
    return [Entry(network, _joined(sorted(texts, key=rank.__getitem__))) for network, texts in found.items()]


def _joined(sources: list[str]) -> str:
    text = JOINT.join(sources)
    if len(text) <= SOURCE_MOST:
        return text
    room = SOURCE_MOST - len("; and 9999 more")
    kept = text[:room].split(JOINT)[:-1] or [text[:room]]
    return JOINT.join([*kept, f"and {len(sources) - len(kept)} more"])


def unstamped(source: str) -> str:
    """Without dates and change numbers, which move while addresses stay."""
    parts = source.split(JOINT)
    return JOINT.join(STAMP.sub("", part) if STAMPED.fullmatch(part) else part for part in parts)


def _parts(entries: list[Entry]) -> set[str]:
    return {part for one in entries for part in unstamped(one.source).split(JOINT)}


def keep_stamps(entries: list[Entry], before: list[Entry]) -> list[Entry]:
    """A prefix that was there, from the same sources, keeps the stamp that it came with: a new date alone is no change.

    Where the same sources name the same prefixes altogether, DNS may have moved from one prefix to another; that is no change of
    the allowlist, either, and must not make another campaign of it.
    """
    known = {one.network: one for one in before}
    if {one.network for one in entries} == set(known) and _parts(entries) == _parts(before):
        return before
    return [
        known[one.network] if one.network in known and unstamped(known[one.network].source) == unstamped(one.source) else one
        for one in entries
    ]


__all__ = (
    "MOST",
    "PRIVATE",
    "PUBLIC",
    "SOURCE_MOST",
    "Entry",
    "Network",
    "PrefixError",
    "keep_stamps",
    "must_be_usable",
    "network_of",
    "outermost",
    "union",
    "unstamped",
)
