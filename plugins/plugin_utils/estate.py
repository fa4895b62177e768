# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. Pure: what there is in Azure for a fleet's devices -> the endpoints that a campaign must name.

A hub is found in a subscription, linked to a provisioning service (then it may be anybody's), or named by DPS for a device of an
IoT Central application, which hides its hubs.
"""

from __future__ import annotations

from .hub.names import CLOUDS, Cloud, HubNames
from .service_tags import pair_table

IN_SUBSCRIPTION, LINKED, REGISTERED = "subscription", "provisioning service", "registration"


def hub_cloud(host: str) -> Cloud | None:
    """The cloud of a hub's or a provisioning service's host name."""
    return next((cloud for cloud in CLOUDS.values() if host.endswith((f".{cloud.zone}", f".{cloud.provisioning_zone}"))), None)


def judged(host: str, clouds: list[str]) -> dict:
    """{"cloud", "affected", "reason"}: whether a campaign for these clouds is about this host."""
    cloud = hub_cloud(host)
    if cloud is None:
        return {"cloud": None, "affected": True, "reason": f"{host} is in no zone that is known here; judge it yourself"}
    if cloud.name in clouds:
        return {"cloud": cloud.name, "affected": True, "reason": f"the campaign covers the {cloud.name} cloud"}
    reason = f"not affected: the {cloud.name} cloud has roots and rotations of its own, this campaign covers {', '.join(clouds)}"
    return {"cloud": cloud.name, "affected": False, "reason": reason}


def all_hubs(found: list[dict], services: list[dict], registrations: list[dict], clouds: list[str]) -> list[dict]:
    """Every hub once, with ``known_from``: what the subscription shows of it, or its name alone."""
    hubs = {hub["host"]: {**hub, **_named(hub["host"], clouds), "known_from": [IN_SUBSCRIPTION]} for hub in found}
    for hub in hubs.values():
        hub["paired_region"] = _paired_region(hub)
    others = [(host, f"{LINKED} {service['name']}") for service in services for host in service["linked_hubs"]]
    others += [(one["assigned_hub"], f"{REGISTERED} {one['registration_id']}") for one in registrations if one["assigned_hub"]]
    for host, origin in others:
        hub = hubs.setdefault(host, {"host": host, **_named(host, clouds), "known_from": []})
        hub["known_from"].append(origin)
    return list(hubs.values())


def _paired_region(hub: dict) -> str | None:
    """Where a failover goes: as ARM says, else as the table of pairs does."""
    told = next((place["name"] for place in hub["regions"] if place["role"] == "secondary"), None)
    return told or pair_table().get(hub["location"])


def _named(host: str, clouds: list[str]) -> dict:
    try:
        names = HubNames.of(host)
    except ValueError:
        return {"host_names": {"classic": host}, **judged(host, clouds)}
    return {"host_names": {"classic": names.classic, "device": names.device, "service": names.service}, **judged(host, clouds)}


def endpoints_of(hubs: list[dict], services: list[dict], kinds: list[str], ports: list[int]) -> list[dict]:
    """[{"host", "port", "role"}] as a campaign has them: each affected hub by its names of these kinds, and each DPS once."""
    hosts = [(hub["host_names"].get(kind), "hub") for hub in hubs if hub["affected"] for kind in kinds]
    hosts += [(service["device_host"], "dps") for service in services if service["affected"]]
    unique = dict.fromkeys((host, role) for host, role in hosts if host)
    return [{"host": host, "port": port, "role": role} for host, role in unique for port in ports]


def differing(served: list[dict]) -> list[dict]:
    """[{"host", "port", "addresses": {address: [roots that verify]}}] of endpoints whose front ends do not agree.

    Front ends may well have leaves and intermediates of their own; what a device notices is which roots verify.
    """
    by_endpoint: dict[tuple, dict[str, list[str]]] = {}
    for one in served:
        if one["reached"] and one["address"]:
            by_endpoint.setdefault((one["host"], one["port"]), {})[one["address"]] = one["verified_by"]
    return [
        {"host": host, "port": port, "addresses": addresses}
        for (host, port), addresses in by_endpoint.items()
        if len({tuple(roots) for roots in addresses.values()}) > 1
    ]


def missing_evidence(hubs: list[dict], applications: list[dict], registrations: list[dict], served: list[dict]) -> list[dict]:
    """[{"evidence", "about", "reason", "remedy"}]: what could not be seen, so that nobody takes it for good."""
    told = {one["application"] for one in registrations if one["assigned_hub"]}
    missing = [
        {
            "evidence": "hidden-hubs",
            "about": one["name"],
            "reason": f"IoT Central does not show the hubs of {one['name']}",
            "remedy": "give registrations: a device of it with its own key, and DPS tells which hub it was assigned to",
        }
        for one in applications
        if one["name"] not in told
    ]
    missing += [
        {
            "evidence": "private-endpoint",
            "about": hub["host"],
            "reason": f"the addresses of {hub['host']}'s private endpoint {one['name']} cannot be read",
            "remedy": "give the identity the role Reader on it",
        }
        for hub in hubs
        for one in hub.get("private_endpoints", [])
        if one["addresses"] is None
    ]
    missing += [
        {
            "evidence": "registration",
            "about": one["registration_id"],
            "reason": f"DPS says {one['status'] or 'nothing'} of registration {one['registration_id']}: it has no hub yet",
            "remedy": "let the device connect once, or give another one",
        }
        for one in registrations
        if not one["assigned_hub"]
    ]
    missing += [
        {
            "evidence": "served-chain",
            "about": f"{one['host']}:{one['port']}",
            "reason": f"{one['host']}:{one['port']}{' at ' + one['address'] if one['address'] else ''}: {one['detail']}",
            "remedy": "look at DNS, firewall and proxy of the control node, and at the hub's IP rules",
        }
        for one in served
        if not one["reached"]
    ]
    return missing


__all__ = ("all_hubs", "differing", "endpoints_of", "judged", "missing_evidence")
