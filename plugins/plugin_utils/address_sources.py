# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. Pure: what service tags, DNS, private endpoints and people say -> (prefix, source) pairs."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any

from . import service_tags
from .address_file import checked_source
from .hub.names import HubNames
from .prefixes import Entry, Network, PrefixError, network_of
from .service_tags import TAG, Selection

Named = Iterator[tuple[Network, str]]
DNS = "DNS "


def regions_of(tags: list[str]) -> list[str]:
    """Regions of tags such as AzureIoTHub.WestEurope; none when the whole tag is among them."""
    if not tags:
        raise PrefixError(f"tags: an empty list; name {TAG} for all of them, or regions such as {TAG}.WestEurope")
    foreign = [tag for tag in tags if tag != TAG and not tag.startswith(f"{TAG}.")]
    if foreign:
        raise PrefixError(f"tags: {foreign[0]!r} is not {TAG} and not {TAG}.<region>; {TAG} covers DPS as well")
    return [] if TAG in tags else [tag.partition(".")[2] for tag in tags]


def of_tags(document: dict, chosen: Selection) -> Named:
    """Each prefix by the regional tags that were chosen and have it, with their own change numbers; else by the whole tag.

    ``chosen`` was selected from this document, so the tags in it are whole.
    """
    whole: dict[str, Any] = {}
    by_region: dict[str, list[str]] = {}
    for item in document["values"]:
        name = str(item.get("name")) if isinstance(item, dict) else ""
        if name == TAG:
            whole = item["properties"]
        elif name.startswith(f"{TAG}.") and service_tags.region_of(name, item["properties"]) in chosen.regions:
            properties = item["properties"]
            for prefix in properties["addressPrefixes"]:
                by_region.setdefault(str(ipaddress.ip_network(prefix)), []).append(_stamped(name, properties))
    for prefix in chosen.prefixes:
        for source in by_region.get(prefix) or [_stamped(TAG, whole)]:
            yield network_of(prefix), source


def _stamped(name: str, properties: dict) -> str:
    return f"{name}, change {properties.get('changeNumber')}"


def of_result(result: dict, ipv6: bool) -> Named:
    """From what rootwave.iot.service_tags returned."""
    try:
        if not all(isinstance(result[key], list) for key in ("ipv4", "ipv6", "regions")):
            raise TypeError
        prefixes = [*result["ipv4"], *(result["ipv6"] if ipv6 else [])]
        regions, number = result["regions"], int(result["tag_change_number"])
    except (KeyError, TypeError, ValueError):
        raise PrefixError("service_tags: this is neither a file nor a result of rootwave.iot.service_tags") from None
    source = f"{TAG} ({', '.join(map(str, regions))}), change {number}" if regions else f"{TAG}, change {number}"
    for prefix in prefixes:
        yield network_of(prefix), source


def hosts_of(endpoints: list[str], kinds: list[str]) -> list[str]:
    """The names to resolve: as given, or of a hub its names of these kinds. An address is no name."""
    hosts: list[str] = []
    for text in endpoints:
        host = text.strip().lower().rstrip(".")
        if _is_address(host):
            raise PrefixError(f"endpoints: {text!r} is an address, not a name; give it in extra, with its source")
        try:
            names = HubNames.of(host) if kinds else None
        except ValueError:  # DPS, a parent gateway, a proxy: it has but this name
            names = None
        hosts += [getattr(names, kind) for kind in kinds] if names else [host]
    return list(dict.fromkeys(hosts))


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0].strip("[]"))
    except ValueError:
        return False
    return True


def of_answers(answers: Mapping[str, list[str]], today: str, ipv6: bool) -> Named:
    """From DNS: {host: [addresses]}; ``today`` is ISO 8601. A name without a usable address is an error that names it."""
    for host, addresses in answers.items():
        networks = [network_of(address.partition("%")[0]) for address in addresses]
        taken = [one for one in networks if ipv6 or one.version == 4]
        if not taken:
            only = " but IPv6 ones; ipv6: true takes them" if networks else ""
            raise PrefixError(f"endpoints: {host} has no address here{only}")
        for network in taken:
            yield network, f"{DNS}{host} {today}"


def of_private_endpoints(rows: list[dict], ipv6: bool) -> Named:
    """From rootwave.iot.hub_info: ``hubs[].private_endpoints[]``. Who is not approved carries nothing."""
    for index, row in enumerate(rows):
        if row.get("state", "Approved") != "Approved":
            continue
        name, addresses = row.get("name"), row.get("addresses")
        if not isinstance(addresses, list) or not addresses:
            raise PrefixError(f"private_endpoints.{index}: {name} has no addresses; hub_info's missing_evidence says why")
        taken = [one for one in map(network_of, addresses) if ipv6 or one.version == 4]
        if not taken:
            raise PrefixError(f"private_endpoints.{index}: {name} has no address here but IPv6 ones; ipv6: true takes them")
        for network in taken:
            yield network, checked_source(f"private endpoint {name}")


def of_extra(rows: list[dict], ipv6: bool) -> Named:
    for index, row in enumerate(rows):
        try:
            network, source = network_of(row["prefix"]), checked_source(row["source"])
        except PrefixError as exc:
            raise PrefixError(f"extra.{index}: {exc}") from exc
        if network.version == 6 and not ipv6:
            raise PrefixError(f"extra.{index}: {network} is IPv6; ipv6: true takes it")
        yield network, source


def outside_tags(entries: list[Entry]) -> list[Entry]:
    """What DNS alone named. Beside service tags it tells that these are old, or of another region."""
    return [one for one in entries if all(part.startswith(DNS) for part in one.source.split("; "))]


__all__ = (
    "hosts_of",
    "of_answers",
    "of_extra",
    "of_private_endpoints",
    "of_result",
    "of_tags",
    "outside_tags",
    "regions_of",
)
