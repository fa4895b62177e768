# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. Pure: what hub_info found -> why no wave may lose its old roots. An empty list is the permission.

The part of the interlock that no gateway can see: hubs that nobody named, front ends that do not agree, and what could not be
looked at. Each has an id that a campaign can accept with a reason.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from .hub.names import HubNames


class AzureBlocker(NamedTuple):
    """``id`` is ``kind:where``."""

    id: str
    detail: str


def blockers(azure: dict, listed: Iterable[str], present: list[str] | None, accepted: Iterable[str]) -> list[AzureBlocker]:
    """``azure`` is hub_info's result, ``listed`` are the host names that the campaign or any of its gateways has for endpoints,
    ``present`` are the names of the anchors that stay, None where the campaign is about no roots at all. A hub that no gateway
    uses, which somebody accepted, is not looked at.
    """
    listed, accepted = set(listed), set(accepted)
    known = {_one_name(host) for host in listed}
    unlisted = _unlisted(azure, known)
    unused = {one.id.partition(":")[2] for one in unlisted if one.id in accepted}
    found = [
        *unlisted,
        *_not_looked_at(azure, {host.lower() for host in listed}, unused),
        *([] if present is None else _served(azure, present, unused)),
        *_differing(azure, unused),
        *_unseen(azure, unused),
    ]
    by_id = {one.id: one for one in reversed(found)}
    return [one for one in reversed(by_id.values()) if one.id not in accepted]


def _one_name(host: str) -> str:
    """A hub's three names are one hub."""
    try:
        return HubNames.of(host).classic
    except ValueError:
        return host.lower()


def _unlisted(azure: dict, known: set[str]) -> list[AzureBlocker]:
    hosts = {hub["host"]: hub["known_from"] for hub in azure["hubs"] if hub["affected"]}
    hosts |= {one["device_host"]: ["subscription"] for one in azure["provisioning_services"] if one["affected"]}
    return [
        AzureBlocker(
            f"unlisted-endpoint:{host}",
            f"{host} (known from {', '.join(origins)}) is no endpoint of the campaign or of any of its gateways; add it, or "
            "accept this by its id if no gateway uses it",
        )
        for host, origins in hosts.items()
        if _one_name(host) not in known
    ]


def _not_looked_at(azure: dict, listed: set[str], unused: set[str]) -> list[AzureBlocker]:
    """A hub's names lead to front ends of their own: what gateways use is what must have been looked at."""
    tried = {one["host"] for one in azure["served"]}
    hubs = {hub["host"] for hub in azure["hubs"] if hub["affected"]} - unused
    return [
        AzureBlocker(
            f"served-chain:{host}",
            f"gateways use {host}, and nothing was looked at under this name; add its kind to host_names of rootwave_azure",
        )
        for host in sorted(listed - tried)
        if _one_name(host) in hubs
    ]


def _served(azure: dict, present: list[str], unused: set[str]) -> list[AzureBlocker]:
    return [
        AzureBlocker(
            f"old-root:{one['host']}:{one['port']}",
            f"{_where(one)} serves a chain that none of {', '.join(present)} verifies ({_ends(one)}); Azure has not moved it yet",
        )
        for one in azure["served"]
        if one["reached"] and not set(one["verified_by"]) & set(present) and _one_name(one["host"]) not in unused
    ]


def _differing(azure: dict, unused: set[str]) -> list[AzureBlocker]:
    return [
        AzureBlocker(
            f"chains-differ:{one['host']}:{one['port']}",
            f"the front ends of {one['host']}:{one['port']} are not verified by the same roots: "
            + "; ".join(f"{address} by {', '.join(roots) or 'none'}" for address, roots in one["addresses"].items()),
        )
        for one in azure["differing"]
        if _one_name(one["host"]) not in unused
    ]


def _unseen(azure: dict, unused: set[str]) -> list[AzureBlocker]:
    return [
        AzureBlocker(f"{one['evidence']}:{one['about']}", f"{one['reason']}; {one['remedy']}")
        for one in azure["missing_evidence"]
        # a private endpoint's addresses are for allowlists; gateways that use it are proved on it by their own interlock
        if one["evidence"] != "private-endpoint" and _one_name(one["about"].partition(":")[0]) not in unused
    ]


def _where(one: dict) -> str:
    return f"{one['host']}:{one['port']}" + (f" at {one['address']}" if one["address"] else "")


def _ends(one: dict) -> str:
    return f"its last certificate is issued by {one['chain'][-1]['issuer']}" if one["chain"] else "without a certificate"


__all__ = ("AzureBlocker", "blockers")
