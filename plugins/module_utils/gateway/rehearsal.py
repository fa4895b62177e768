# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""Endpoints probed through a trust that is not the gateway's yet, and through the one that it has become."""

from __future__ import annotations

import os
import tempfile

from . import pem
from .model import OFFERS, Proof, Trust
from .probe import ADDRESSES_MOST


def proofs_through(host, desired, now, trust, offers):
    """One Proof per endpoint, address and offer, a list."""
    return [
        proof for endpoint in desired.endpoints for offer in offers for proof in host.probe(endpoint, trust, now, offer, desired)
    ]


def rehearse(host, desired, now, observed, work, offers):
    """Probe every endpoint with exactly the bundle that the plan would make; an empty plan with the store itself."""
    if not work.plan:
        return proofs_through(host, desired, now, forms_of(host.store.layout)[-1], offers)
    anchors = {anchor.sha256: anchor.pem for anchor in desired.present + desired.absent}
    text = "".join(pem.encode(observed.bundle[sha]) if sha in observed.bundle else anchors[sha] for sha in sorted(work.future))
    descriptor, path = tempfile.mkstemp(prefix="rootwave-rehearsal-", suffix=".pem")
    try:
        with os.fdopen(descriptor, "w") as stream:
            stream.write(text)
        return proofs_through(host, desired, now, Trust("rehearsal", cafile=path), offers)
    finally:
        os.unlink(path)


def forms_of(layout):
    """The forms of a store, the cheapest to probe through last: of a hashed directory OpenSSL reads what a chain needs."""
    forms = [Trust("bundle", cafile=layout.bundle)]
    if layout.hashed:
        forms.append(Trust("hashed", capath=layout.hashed))
    return forms


def prove(host, desired, now):
    """Probe through the store as it is now, each form by its path, as a user without privileges. A list of Proof."""
    forms = forms_of(host.store.layout)

    def probe_all():
        return [proof.as_dict() for trust in forms for proof in proofs_through(host, desired, now, trust, OFFERS[:1])]

    once = desired.timeouts.dns + ADDRESSES_MOST * (desired.timeouts.tcp + 2 * desired.timeouts.tls)
    answers = host.prove(probe_all, 10 + once * len(forms) * len(desired.endpoints))
    return [Proof(**answer) for answer in answers]


__all__ = ("forms_of", "proofs_through", "prove", "rehearse")
