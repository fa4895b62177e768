# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""The port through which reconcile sees a gateway, and the real one.

A test double overrides what it wants to control; files are real in either case. What only some runs need is imported where it
is used: Ansible ships source text, so on a gateway every import is compiled anew.
"""

from __future__ import annotations

import abc
import os
import time

from . import probe, stores
from .processes import systemd_runs
from .report import FACT, STATE_DIR


class Host(abc.ABC):
    """``state_dir`` is where journal, report and lock live; ``store`` the system store; ``fact`` Ansible's local fact."""

    state_dir = STATE_DIR
    fact = FACT
    store = None

    @abc.abstractmethod
    def clock(self):
        """The gateway's own time, epoch seconds."""

    @abc.abstractmethod
    def privileged(self):
        """Whether trust may be changed by this process."""

    @abc.abstractmethod
    def probe(self, endpoint, trust, now, offer, desired):
        """Proofs of one endpoint through one Trust, one per address; never raises for a failing endpoint."""

    @abc.abstractmethod
    def prove(self, function, timeout):
        """The value of ``function()`` as a user without privileges; raises ProofFailed."""

    @abc.abstractmethod
    def unlisted_sessions(self, addresses):
        """Live sessions to hub-like peers that are none of these addresses."""

    def container_sessions(self):
        """Live sessions of this gateway's other network namespaces."""
        from . import namespaces

        if not namespaces.others():
            return []
        from . import sessions

        return sessions.of_containers()

    def containers(self):
        """Containers with live sessions."""
        from . import sessions

        return sessions.containers()

    def prove_within(self, namespace, function, timeout):
        """As prove(), inside a container's network namespace; an empty list where that container has ended."""
        from . import namespaces, unprivileged

        path = namespaces.path_of(namespace)
        return unprivileged.as_nobody(function, timeout, path) if path else []

    @abc.abstractmethod
    def findings(self, desired, observed):
        """Findings of this gateway, a list."""

    @abc.abstractmethod
    def arm(self, identity, folder, seconds):
        """Arm the revert program; raises CommandFailed, UnsupportedGateway or OSError."""

    @abc.abstractmethod
    def power_safe(self):
        """Whether an armed revert survives a power cut."""


class LocalHost(Host):
    """This machine."""

    def __init__(self, state_dir=STATE_DIR, store=None):
        self.state_dir = state_dir
        self.store = store or stores.system_store(state_dir)

    def clock(self):
        return time.time()

    def privileged(self):
        return os.geteuid() == 0

    def probe(self, endpoint, trust, now, offer, desired):
        return probe.probe(endpoint, trust, now, desired.timeouts, offer=offer, candidates=desired.present + desired.absent)

    def prove(self, function, timeout):
        from . import unprivileged

        return unprivileged.as_nobody(function, timeout)

    def unlisted_sessions(self, addresses):
        from . import sessions

        return sessions.unlisted(sessions.live_sessions(), addresses, sessions.is_hub_like)

    def findings(self, desired, observed):
        from . import findings

        return findings.all_findings(desired, observed, self.clock())

    def arm(self, identity, folder, seconds):
        from . import arm

        arm.arm(identity, folder, seconds)

    def power_safe(self):
        return systemd_runs()


__all__ = ("Host", "LocalHost")
