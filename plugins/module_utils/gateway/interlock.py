# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""Pure: why a phase must not go ahead. Every rule returns Blockers; an empty list is the permission.

docs/architecture.md: refuse unless all hold, and name the blocker. Nothing here can be switched off by a flag; a finding can be
accepted by its id, with a reason, in the campaign.
"""

from __future__ import annotations

from .model import Blocker

CLOCK_TOLERANCE = 300  # seconds between the gateway's clock and the control node's
# Clouds with roots and rotations of their own (Azure IoT Hub and DPS host names by cloud, azure-docs
# articles/private-link/private-endpoint-dns.md); everything else is the public cloud or the fleet's own.
SOVEREIGN = {
    ".azure-devices.us": "usgov",
    ".azure-devices-provisioning.us": "usgov",
    ".azure-devices.cn": "china",
    ".azure-devices-provisioning.cn": "china",
    ".azure-devices.de": "germany",
    ".azure-devices-provisioning.de": "germany",
}


def clock(gateway_now, control_now):
    """First of all, before any TLS: a wrong clock makes good certificates look expired and expired ones good."""
    off = int(gateway_now - control_now)
    if abs(off) <= CLOCK_TOLERANCE:
        return []
    return [
        Blocker(
            "clock",
            "the gateway's clock is {0} s {1} the control node's; set the time (timedatectl, chronyc makestep) and "
            "start again".format(abs(off), "ahead of" if off > 0 else "behind"),
        )
    ]


def cloud(endpoints, clouds):
    """Sovereign clouds are left alone unless the campaign is made for them."""
    blockers = []
    for endpoint in endpoints:
        for suffix, name in SOVEREIGN.items():
            if endpoint.host.endswith(suffix) and name not in clouds:
                blockers.append(
                    Blocker(
                        "sovereign-cloud",
                        "{0} belongs to the {1} cloud, which this campaign does not cover; leave this gateway to a "
                        "campaign of its own".format(endpoint.host, name),
                    )
                )
    return blockers


def stale_store(observed):
    """A tool run would bring in changes of somebody else, which no rehearsal has seen."""
    if observed.predicted is None or observed.predicted == frozenset(observed.bundle):
        return []
    return [
        Blocker(
            "stale-store",
            "the store's sources were changed without running its tool since ({0} certificates would appear, {1} "
            "would vanish); run update-ca-certificates, look at the result, and start again".format(
                len(observed.predicted - set(observed.bundle)), len(set(observed.bundle) - observed.predicted)
            ),
        )
    ]


def endpoints(asked, proofs):
    """Every endpoint of the campaign verifies, on every address and in every offer that was tried."""
    blockers = [_failed(proof) for proof in proofs if proof.stage not in ("ok", "not-offered")]
    proved = {(proof.host, proof.port) for proof in proofs if proof.ok}
    failed = {(proof.host, proof.port) for proof in proofs if proof.stage not in ("ok", "not-offered")}
    for host, port in sorted({(endpoint.host, endpoint.port) for endpoint in asked} - proved - failed):
        blockers.append(Blocker("endpoint-unproved", "nothing proves {0}:{1}; it answered no offer at all".format(host, port)))
    return blockers


def _failed(proof):
    what = "{0}:{1}".format(proof.host, proof.port)
    where = " at {0}".format(proof.address) if proof.address else ""
    offer = "" if proof.offer == "default" else ", offering {0} only".format(proof.offer.upper())
    return Blocker(
        "endpoint-" + proof.stage, "{0}{1}{2} does not verify with {3}: {4}".format(what, where, offer, proof.trust, proof.detail)
    )


__all__ = ("clock", "cloud", "endpoints", "stale_store")
