# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. Pure: Azure's service tags -> the prefixes of IoT Hub and DPS for some regions, checked.

The tag AzureIoTHub covers DPS as well (azure-docs iot-dps-understand-ip-address). Two shapes are read: the file of the Download
Center, and the Service Tag Discovery API's answer, where change numbers are texts.
"""

from __future__ import annotations

import ipaddress
import json
from dataclasses import dataclass
from typing import Any

TAG = "AzureIoTHub"
NARROWEST = {4: 16, 6: 32}  # bits; the widest in the public files of 2025 are /24 and /123
SIZE_MOST = 64 * 1024 * 1024  # bytes; the whole public file has about five million
CLOUD_NAMES = {"public": "public", "usgov": "azuregovernment", "china": "azurechina"}
# azure-docs reliability/regions-paired; both ways unless a region stands on the left alone
PAIRS = """
    australiacentral australiacentral2, australiaeast australiasoutheast, canadacentral canadaeast, centralindia southindia,
    centralus eastus2, chinaeast chinanorth, chinaeast2 chinanorth2, chinaeast3 chinanorth3, eastasia southeastasia,
    eastus westus, francecentral francesouth, germanywestcentral germanynorth, japaneast japanwest, jioindiacentral jioindiawest,
    koreacentral koreasouth, northcentralus southcentralus, northeurope westeurope, norwayeast norwaywest,
    southafricanorth southafricawest, swedencentral swedensouth, switzerlandnorth switzerlandwest, uaenorth uaecentral,
    uksouth ukwest, usdodcentral usdodeast, usgovarizona usgovtexas, westcentralus westus2
"""
ONE_WAY = {
    "brazilsouth": "southcentralus",
    "brazilsoutheast": "brazilsouth",
    "usgovvirginia": "usgovtexas",
    "westindia": "southindia",
    "westus3": "eastus",
}
# Regions that the service tags call by another name than Azure Resource Manager (seen in the public files of 2025)
ARM_NAMES = {
    "brazilse": "brazilsoutheast",
    "centralfrance": "francecentral",
    "germanyn": "germanynorth",
    "germanywc": "germanywestcentral",
    "norwaye": "norwayeast",
    "norwayw": "norwaywest",
    "southfrance": "francesouth",
    "switzerlandn": "switzerlandnorth",
    "switzerlandw": "switzerlandwest",
}


class ServiceTagError(Exception):
    """What was given cannot be used; the message says why."""


@dataclass(frozen=True)
class Selection:
    """``prefixes`` are in order, v4 before v6; ``unpaired`` are regions whose pair is not known."""

    cloud: str
    file_change_number: int
    tag_change_number: int
    regions: tuple[str, ...]
    unpaired: tuple[str, ...]
    prefixes: tuple[str, ...]
    ipv6: bool = False

    def of_version(self, version: int) -> list[str]:
        return [prefix for prefix in self.prefixes if ipaddress.ip_network(prefix).version == version]


def read(text: str) -> dict:
    """The document; raises ServiceTagError for what is none, as a download that was cut off."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise ServiceTagError(f"this is not JSON; is the download complete? {exc}") from exc
    if not isinstance(document, dict) or not isinstance(document.get("values"), list):
        raise ServiceTagError("this is no service tags document: it has no list named values")
    return document


def select(document: dict, cloud: str, regions: list[str], pairs: bool = True, ipv6: bool = False) -> Selection:
    """The tag's prefixes. With ``regions`` those of the regions, of their pairs, and those that the tag has for no region."""
    theirs = str(document.get("cloud", "")).lower()
    if theirs != CLOUD_NAMES[cloud]:
        raise ServiceTagError(f"the document is for cloud {document.get('cloud')!r}, not for {cloud}")
    tags: dict[str, dict] = {}
    for item in document["values"]:
        name = str(item.get("name")) if isinstance(item, dict) else ""
        if name == TAG or name.startswith(TAG + "."):
            if name in tags or not isinstance(item.get("properties"), dict):
                raise ServiceTagError(f"tag {name} stands twice, or has no properties; get the document anew")
            tags[name] = item["properties"]
    if TAG not in tags:
        raise ServiceTagError(f"the document has no tag {TAG}")
    whole = _prefixes(TAG, tags[TAG])
    regional: dict[str, set[str]] = {}
    for name, properties in tags.items():
        if name.startswith(TAG + "."):
            regional.setdefault(region_of(name, properties), set()).update(_prefixes(name, properties))
    wanted, unpaired = _regions(regions, pairs, set(regional))
    chosen = whole
    if wanted:
        everywhere = whole - set().union(*regional.values())
        chosen = everywhere.union(*(regional[region] for region in wanted))
    networks = [ipaddress.ip_network(prefix) for prefix in chosen]
    kept = sorted((one for one in networks if ipv6 or one.version == 4), key=lambda one: (one.version, one))
    if not kept:
        raise ServiceTagError(f"tag {TAG} has no prefix for this; an empty allowlist would cut every gateway off")
    numbers = (_number(document.get("changeNumber")), _number(tags[TAG].get("changeNumber")))
    return Selection(cloud, *numbers, tuple(wanted), tuple(unpaired), tuple(map(str, kept)), ipv6)


def compare(selection: Selection, before: dict | None, max_loss_percent: int) -> dict[str, list[str]]:
    """{"added", "removed"} against an earlier record; raises ServiceTagError for an older one and for too great a loss."""
    if not before:
        return {"added": list(selection.prefixes), "removed": []}
    if before.get("cloud") != selection.cloud:
        raise ServiceTagError(f"the record is for cloud {before.get('cloud')}, not for {selection.cloud}")
    if _number(before.get("tag_change_number")) > selection.tag_change_number:
        raise ServiceTagError(
            f"the document's tag has changeNumber {selection.tag_change_number}, older than the record's "
            f"{before['tag_change_number']}; get a newer one"
        )
    had, has = before["prefixes"], set(selection.prefixes)
    if set(had) != has and record(selection) == {**before, "prefixes": list(selection.prefixes)}:
        raise ServiceTagError(
            f"the document's tag has the record's changeNumber {selection.tag_change_number} and other prefixes: one of them was "
            "changed by somebody; get the document anew"
        )
    removed = [prefix for prefix in had if prefix not in has]
    if had and len(removed) * 100 > max_loss_percent * len(had):
        raise ServiceTagError(
            f"{len(removed)} of the record's {len(had)} prefixes are gone, more than max_loss_percent {max_loss_percent}: "
            f"{', '.join(removed[:5])}{' ...' if len(removed) > 5 else ''}; look at it, then raise the bound for one run"
        )
    return {"added": [prefix for prefix in selection.prefixes if prefix not in set(had)], "removed": removed}


def record(selection: Selection) -> dict[str, Any]:
    """What is kept for the next comparison. The file's own number is not: it moves with every other service's tag."""
    return {
        "cloud": selection.cloud,
        "tag": TAG,
        "tag_change_number": selection.tag_change_number,
        "regions": list(selection.regions),
        "ipv6": selection.ipv6,
        "prefixes": list(selection.prefixes),
    }


def _regions(regions: list[str], pairs: bool, known: set[str]) -> tuple[list[str], list[str]]:
    """(regions with their pairs, regions without a known pair). A pair that the tag has no entry for adds nothing."""
    wanted = [_arm_name(region) for region in regions]
    missing = [region for region in wanted if region not in known]
    if missing:
        raise ServiceTagError(f"tag {TAG} has no region {', '.join(missing)}; it has {', '.join(sorted(known))}")
    if not pairs:
        return sorted(set(wanted)), []
    found = pair_table()
    unpaired = [region for region in wanted if found.get(region) not in known]
    return sorted({*wanted, *(found[region] for region in wanted if region not in unpaired)}), unpaired


def _arm_name(region: str) -> str:
    name = region.lower().replace(" ", "")
    return ARM_NAMES.get(name, name)


def region_of(name: str, properties: dict) -> str:
    """The region of a regional tag, as Azure Resource Manager calls it."""
    return _arm_name(str(properties.get("region") or name.partition(".")[2]))


def pair_table() -> dict[str, str]:
    two_ways = [(pair.split()[0], pair.split()[1]) for pair in PAIRS.split(",")]
    return {**dict(two_ways), **{other: one for one, other in two_ways}, **ONE_WAY}


def _prefixes(name: str, properties: dict) -> set[str]:
    found = properties.get("addressPrefixes")
    if not isinstance(found, list):
        raise ServiceTagError(f"tag {name} has no list named addressPrefixes")
    try:
        networks = {ipaddress.ip_network(str(prefix)) for prefix in found}
    except ValueError as exc:
        raise ServiceTagError(f"tag {name}: {exc}") from exc
    for network in networks:
        if network.prefixlen < NARROWEST[network.version]:
            raise ServiceTagError(f"tag {name}: {network} is no hub's prefix; it would open a firewall to everybody")
    return set(map(str, networks))


def _number(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        raise ServiceTagError(f"changeNumber {value!r} is no number") from None


__all__ = ("SIZE_MOST", "TAG", "Selection", "ServiceTagError", "compare", "pair_table", "read", "record", "region_of", "select")
