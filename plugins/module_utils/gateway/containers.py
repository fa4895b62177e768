# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""Proofs from within the containers whose hub sessions this gateway forwards: their way through the ruleset is another one.

Names are resolved on the gateway, for a container's DNS may be another one, and connected to by address with the name in SNI.
What verifies is the gateway's store, for only the way is asked about. Endpoints behind a proxy are left out.
"""

from __future__ import annotations

from typing import NamedTuple

from . import probe, sessions
from .errors import ProofFailed
from .model import Endpoint, Proof, Timeouts, Trust
from .rehearsal import forms_of

HUBS = ("hub", "dps")


class Held(NamedTuple):
    """A container with hub sessions: on these ports, over these IP versions."""

    namespace: str  # net:[4026532621]
    name: str
    ports: tuple
    versions: tuple


def holding(host, allowlist=None):
    """The containers that hold a hub session now, a list of Held."""
    from .allowlists import prefixes

    cover = prefixes.Cover(one.interval for one in (allowlist.new + allowlist.old if allowlist else ()))
    found = []
    for container in host.containers():
        hubs = [
            session
            for session in container.sessions
            if session.port in sessions.ALWAYS_HUB or cover.meeting(prefixes.parse(session.address))
        ]
        if hubs:
            ports = {session.port for session in hubs}
            versions = {6 if ":" in session.address else 4 for session in hubs}
            found.append(Held(container.namespace, container.name, tuple(sorted(ports)), tuple(sorted(versions))))
    return found


def proofs_within(host, endpoints, timeouts, held, now):
    """One Proof per container, endpoint and address, a list. The first container that fails is the last, for time runs."""
    proofs: list[Proof] = []
    for container in held:
        proofs += _proofs_of(host, _asked(container, endpoints), timeouts, container, now)
        if any(not proof.ok for proof in proofs):
            break
    return proofs


def as_document(desired, held):
    """What a change's journal keeps, so that after apply and at its commit the same is asked; None where nothing is held."""
    return {"endpoints": desired.endpoints, "timeouts": desired.timeouts, "held": held} if held else None


def proofs_again(host, document, now):
    """As proofs_within(), of what as_document() kept."""
    held = [Held(*item) for item in document["held"]]
    endpoints = [Endpoint(*item) for item in document["endpoints"]]
    return proofs_within(host, endpoints, Timeouts(*document["timeouts"]), held, now)


def check_again(host, document):
    """Raises ProofFailed when a container has lost its hub since the change was applied."""
    for proof in proofs_again(host, document, host.clock()):
        if not proof.ok:
            raise ProofFailed(
                "not committed: {0}:{1} at {2} does not verify with {3}: {4}. The change reverts by itself".format(
                    proof.host, proof.port, proof.address, proof.trust, proof.detail
                )
            )


def _asked(container, endpoints):
    """The hub's endpoints on the ports that the container uses; all of the hub where the campaign names none of these ports."""
    direct = [one for one in endpoints if one.role in HUBS and not one.proxy]
    return [one for one in direct if one.port in container.ports] or [one for one in direct if one.role == "hub"]


def _proofs_of(host, endpoints, timeouts, container, now):
    form = forms_of(host.store.layout)[-1]
    trust = Trust("{0} inside {1}".format(form.label, container.name), form.cafile, form.capath)
    targets, failed = [], []
    for endpoint in endpoints:
        try:
            found = probe.resolve(endpoint.host, endpoint.port, timeouts.dns)
        except OSError as exc:
            failed.append(
                _failure(endpoint, trust, "dns", "{0} does not resolve on this gateway ({1})".format(endpoint.host, exc))
            )
            continue
        spoken = [one for one in found if (6 if ":" in one[1][0] else 4) in container.versions]
        targets += [(endpoint, family, sockaddr) for family, sockaddr in (spoken or found)[: probe.ADDRESSES_MOST]]

    def probe_all():
        return [probe.probe_address(one[0], trust, now, timeouts, *one[1:]).as_dict() for one in targets]

    most = 10 + len(targets) * (timeouts.tcp + 2 * timeouts.tls)
    try:
        return failed + [Proof(**answer) for answer in host.prove_within(container.namespace, probe_all, most)]
    except ProofFailed as exc:
        return failed + [_failure(targets[0][0], trust, "tcp", str(exc))] if targets else failed


def _failure(endpoint, trust, stage, detail):
    return Proof(endpoint.host, endpoint.port, endpoint.role, trust.label, "default", stage, detail)


__all__ = ("Held", "as_document", "check_again", "holding", "proofs_again", "proofs_within")
