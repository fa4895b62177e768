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


def missing_evidence(found: dict) -> list[dict]:
    """[{"evidence", "about", "reason", "remedy"}]: what could not be seen, so that nobody takes it for good.

    ``found`` is hub_info's result without this part.
    """
    return [*_hidden_hubs(found), *_unassigned(found), *_private_endpoints(found), *_not_served(found), *_front_ends(found)]


def _missing(evidence: str, about: str, reason: str, remedy: str) -> dict:
    return {"evidence": evidence, "about": about, "reason": reason, "remedy": remedy}


def _hidden_hubs(found: dict) -> list[dict]:
    told = {one["application"] for one in found["registrations"] if one["assigned_hub"]}
    remedy = "give registrations: a device of it with its own key, and DPS tells which hub it was assigned to"
    names = [one["name"] for one in found["central_applications"] if one["name"] not in told]
    return [_missing("hidden-hubs", name, f"IoT Central does not show the hubs of {name}", remedy) for name in names]


def _unassigned(found: dict) -> list[dict]:
    rows = [one for one in found["registrations"] if not one["assigned_hub"]]
    remedy = "let the device connect once, or give another one"
    return [
        _missing(
            "registration", one["registration_id"], f"DPS has assigned it no hub yet ({one['status'] or 'no status'})", remedy
        )
        for one in rows
    ]


def _private_endpoints(found: dict) -> list[dict]:
    rows = [(hub["host"], one) for hub in found["hubs"] for one in hub.get("private_endpoints", []) if not one["addresses"]]
    remedy = "give the identity the role Reader on it, or look at its network interface"
    return [
        _missing("private-endpoint", host, f"the addresses of its private endpoint {one['name']} are not to be had", remedy)
        for host, one in rows
    ]


def _not_served(found: dict) -> list[dict]:
    """Endpoints that were not reached, and hosts at which nothing was tried."""
    remedy = "look at DNS, firewall and proxy of the control node, and at the hub's IP rules"
    rows = [
        _missing("served-chain", f"{one['host']}:{one['port']}", f"at {one['address'] or 'no address'}: {one['detail']}", remedy)
        for one in found["served"]
        if not one["reached"]
    ]
    tried = {one["host"] for one in found["served"]}
    hosts = [hub["host"] for hub in found["hubs"] if hub["affected"] and not tried & set(hub["host_names"].values())]
    hosts += [one["device_host"] for one in found["provisioning_services"] if one["affected"] and one["device_host"] not in tried]
    untried = "nothing was looked at; let probe be true, with ports"
    return rows + [_missing("served-chain", host, "no connection was tried", untried) for host in dict.fromkeys(hosts)]


def _front_ends(found: dict) -> list[dict]:
    """A proxy resolves by itself, so one handshake through it is not all front ends."""
    rows = [one for one in found["served"] if one["reached"] and one["address"] is None]
    remedy = "set resolve to its addresses, or look from a machine without a proxy"
    reason = "behind a proxy its front ends are not told apart"
    return [_missing("front-ends", f"{one['host']}:{one['port']}", reason, remedy) for one in rows]


__all__ = ("all_hubs", "differing", "endpoints_of", "judged", "missing_evidence")
