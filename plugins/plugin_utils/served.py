# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. What servers serve now, seen from the control node: their chain, and which roots verify it.

The roots are tried with the gateways' own probe, so that the same question has the same answer here and there.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from ansible_collections.rootwave.iot.plugins.module_utils.gateway import probe
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.errors import ProxyRefused
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.model import Endpoint, Timeouts, Trust

from .chain import describe, served_chain
from .hub.errors import HubError

WORKERS = 16  # connections at once; each is short
CHAIN_MOST = 10  # certificates of a chain that are looked at


class Place(NamedTuple):
    """One address of one endpoint; ``error`` stands where there is no address at all."""

    endpoint: Endpoint
    family: int = 0
    sockaddr: tuple = ()
    error: str = ""


def look(
    endpoints: Iterable[Endpoint], roots: list[dict], given: dict[str, list[str]], now: float, timeouts: Timeouts
) -> list[dict]:
    """One document for each address of each endpoint; never raises for what a server does.

    ``roots`` are a campaign's anchors, ``given`` maps a host to addresses that are used instead of the resolver's. A document:
    {"host", "port", "role", "address", "proxy", "reached", "detail", "protocol", "chain", "roots": {name: {"stage", "detail"}},
    "verified_by": [names]}; ``address`` is None behind a proxy, which resolves by itself.
    """
    with ThreadPoolExecutor(WORKERS) as pool:
        places = [place for found in pool.map(lambda one: _places(one, given, timeouts), endpoints) for place in found]
        return list(pool.map(lambda place: _look_at(place, roots, now, timeouts), places))


def addresses_of(host: str, given: dict[str, list[str]], timeouts: Timeouts) -> list[str]:
    """Every address of a name, by this machine's resolver or as given; none where it does not resolve."""
    try:
        return [sockaddr[0] for _family, sockaddr in _resolved(host, 443, given, timeouts)]
    except OSError:
        return []


def _resolved(host: str, port: int, given: dict[str, list[str]], timeouts: Timeouts) -> list[tuple[int, tuple]]:
    if host not in given:
        return probe.resolve(host, port, timeouts.dns)
    found = []
    for address in given[host]:
        try:
            family, _type, _proto, _name, sockaddr = socket.getaddrinfo(address, port, flags=socket.AI_NUMERICHOST)[0]
        except OSError as exc:
            raise HubError(f"resolve: {address!r} of {host} is no address") from exc
        found.append((int(family), sockaddr))
    return found


def _places(endpoint: Endpoint, given: dict[str, list[str]], timeouts: Timeouts) -> list[Place]:
    host, port = probe.peer_of(endpoint)
    try:
        found = _resolved(host, port, {} if endpoint.proxy else given, timeouts)
    except OSError as exc:
        return [Place(endpoint, error=f"{host} does not resolve on the control node ({exc})")]
    return [Place(endpoint, *one) for one in (found[:1] if endpoint.proxy else found)]


def _look_at(place: Place, roots: list[dict], now: float, timeouts: Timeouts) -> dict:
    endpoint, where = place.endpoint, (place.family, place.sockaddr)
    if place.error:
        return _seen(place, detail=place.error)
    try:
        protocol, chain = served_chain(endpoint, *where, timeouts)
    except (OSError, ProxyRefused) as exc:
        words = getattr(exc, "reason", None) or getattr(exc, "strerror", None) or exc
        return _seen(place, detail=f"no TLS connection ({words})")
    proofs = {
        root["name"]: probe.probe_address(endpoint, Trust(root["name"], cadata=root["pem"]), now, timeouts, *where)
        for root in roots
    }
    return _seen(
        place,
        reached=True,
        protocol=protocol,
        chain=[describe(der) for der in chain[:CHAIN_MOST]],
        roots={name: {"stage": proof.stage, "detail": proof.detail} for name, proof in proofs.items()},
        verified_by=[name for name, proof in proofs.items() if proof.ok],
    )


def _seen(place: Place, **what) -> dict:
    endpoint = place.endpoint
    nothing = {"reached": False, "detail": "", "protocol": "", "chain": [], "roots": {}, "verified_by": []}
    address = None if endpoint.proxy or not place.sockaddr else place.sockaddr[0]
    return {**endpoint._asdict(), "address": address, **nothing, **what}


__all__ = ("addresses_of", "look")
