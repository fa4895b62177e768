# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""The one verb by which trust on a gateway ever changes, by push and by pull.

lock and recover, observe, plan, rehearse, arm, apply, prove, commit, report: in this order, and nothing outside
the state directory is touched before the rehearsal has passed. See docs/architecture.md.
"""

from __future__ import annotations

import os
import time

from . import files, interlock, report
from .errors import StorageFailed, UnsupportedGateway
from .model import OFFERS, Plan, Proof
from .processes import Lock
from .rehearsal import forms_of, proofs_through, rehearse
from .work import Work, work_for

LOCK_WAIT = 120.0  # seconds; an orphaned store tool ends sooner


def no_step(_name):
    """What happens between two steps of a run: nothing. Tests stop or kill the run there."""


def reconcile(host, desired, now, dry_run=False, on_step=no_step):
    """Bring a gateway to what ``desired`` asks and return the report (docs/architecture.md), saved unless dry_run.

    ``now`` is the control node's clock, epoch seconds. A refusal and a reverted change are reports
    (``outcome``), not errors. Raises TrustError when the gateway cannot be judged at all.
    """
    try:
        return _reconcile(host, desired, now, dry_run, on_step)
    except OSError as exc:
        raise StorageFailed.of(exc) from exc


def _reconcile(host, desired, now, dry_run, on_step):
    started = time.monotonic()
    if desired.phase != "assess":
        _must_be_changeable(host)
    if dry_run or desired.phase == "assess":
        return _judge(host, desired, now, on_step, None)
    os.makedirs(host.state_dir, mode=0o755, exist_ok=True)
    with Lock(os.path.join(host.state_dir, "lock"), wait=LOCK_WAIT) as lock:
        on_step("locked")
        now += time.monotonic() - started  # the control node's clock went on while this waited
        notes, ended = _recover(host, desired, lock)
        on_step("recovered")
        result = ended or _judge(host, desired, now, on_step, lock)
        result["notes"] = notes + result["notes"]
        result["finished_at"] = int(host.clock())
        result["elapsed"] = round(time.monotonic() - started, 3)
        report.save(result, host.state_dir)
        on_step("reported")
    return result


def _must_be_changeable(host):
    """The same in check mode as for real."""
    if not host.privileged():
        raise UnsupportedGateway("trust can only be changed by root; use become: true (or remote_user: root)")
    if not host.store.layout.managed:
        raise UnsupportedGateway(
            "layout {0} is assess-only: no test has run it against its real tool".format(host.store.layout.name)
        )


def _recover(host, desired, lock):
    """(notes, report that ends this run already or None)"""
    if not files.names_in(os.path.join(host.state_dir, "pending")):
        return [], None
    from . import leftovers

    return leftovers.end(host, desired, lock)


def _judge(host, desired, now, on_step, lock):
    """Everything after recovery. ``lock`` is None where nothing may be changed (assess, check mode)."""
    result = report.new(desired)
    result["finished_at"] = int(host.clock())
    result["power_safe"] = host.power_safe()
    blockers = interlock.clock(host.clock(), now) + interlock.cloud(desired.endpoints, desired.clouds)
    if desired.phase != "assess" and blockers:
        return _refuse(result, blockers)
    observed = host.store.observe()
    on_step("observed")
    result["stores"] = {host.store.name: report.describe_store(host.store, observed, desired)}
    firewall = _firewall(host, desired, result)
    if desired.phase == "assess":
        return _assess(host, desired, now, observed, result, blockers, firewall)
    work = work_for(host, desired, observed, firewall)
    result["plan"] = work.plan.as_list()
    on_step("planned")
    blockers = _rehearse(host, desired, now, observed, work, result)
    blockers += _judge_addresses(firewall, work, result, lock)
    on_step("rehearsed")
    if blockers:
        if not work.plan:  # the state holds all the same, so what it has soaked is not lost
            report.carry_commit(result, report.load(host.state_dir, now), None, host.state_dir)
        return _refuse(result, blockers)
    if lock is None:
        result.update(outcome="planned", changed=bool(work.plan))
        return result
    if not work.plan:
        result["outcome"] = "done"
        report.carry_commit(result, report.load(host.state_dir, now), host.clock(), host.state_dir)
        return result
    from .transaction import transact  # on a gateway every import is compiled anew; a run without a change does without

    return transact(host, desired, now, observed, work, result, on_step, lock)


def _firewall(host, desired, result):
    """The allowlist's part of a run, or None: a campaign without one imports nothing of it."""
    if desired.allowlist is None:
        return None
    from . import allowlists

    firewall = allowlists.Firewall(host, desired)
    result["allowlist"] = firewall.describe()
    return firewall


def _judge_addresses(firewall, work, result, lock):
    """What an allowlist finds in the addresses that were just probed; returns its Blockers."""
    if firewall is None:
        return []
    blockers, findings = firewall.judge(work, [Proof(**proof) for proof in result["probes"]], lock)
    result["findings"] += [finding.as_dict() for finding in findings]
    return blockers


def _assess(host, desired, now, observed, result, blockers, firewall):
    result["blockers"] = [blocker.as_dict() for blocker in blockers]
    result["findings"] = [finding.as_dict() for finding in host.findings(desired, observed)]
    if not any(blocker.id == "clock" for blocker in blockers):
        trust = forms_of(host.store.layout)[0]
        result["probes"] = [proof.as_dict() for proof in proofs_through(host, desired, now, trust, OFFERS[:1])]
    _judge_addresses(firewall, Work(Plan(), (), (), frozenset(), ()), result, None)
    result["blockers"] += [blocker.as_dict() for blocker in (firewall.blockers if firewall else ())]
    result["outcome"] = "assessed"
    return result


def _rehearse(host, desired, now, observed, work, result):
    """Proofs with the future store in a private file, and every rule of the interlock; returns the blockers."""
    blockers = list(work.blockers)
    thorough = any(change.action == "remove" for change in work.plan.changes)
    proofs = rehearse(host, desired, now, observed, work, OFFERS if thorough else OFFERS[:1])
    if work.switches and desired.phase == "retire":  # a stage opens the way first, so it is proved after apply
        from . import containers

        held = containers.holding(host, desired.allowlist)
        proofs += containers.proofs_within(host, desired.endpoints, desired.timeouts, held, now)
    result["probes"] = [proof.as_dict() for proof in proofs]
    blockers += _unproved(desired.endpoints, proofs, work)
    return blockers + (_takes_away(host, desired, now, observed, proofs, result) if thorough else [])


def _takes_away(host, desired, now, observed, proofs, result):
    """Blockers of a removal."""
    from . import retirement

    blockers = retirement.unlisted_sessions(host.unlisted_sessions({proof.address for proof in proofs if proof.address}))
    if desired.phase == "retire":
        found = host.findings(desired, observed)
        result["findings"] = [finding.as_dict() for finding in found]
        blockers += retirement.not_yet(desired, host.store, observed, found, now)
    return blockers


def _unproved(endpoints, proofs, work):
    """Blockers for endpoints; one that stands behind the very filter that this Work opens is proved after apply instead."""
    if work.opens:
        from .allowlists import changing

        behind = {(proof.host, proof.port) for proof in proofs if changing.opens(work, proof)}
        endpoints = [endpoint for endpoint in endpoints if (endpoint.host, endpoint.port) not in behind]
        proofs = [proof for proof in proofs if not changing.opens(work, proof)]
    return interlock.endpoints(endpoints, proofs)


def _refuse(result, blockers):
    result.update(outcome="refused", blockers=[blocker.as_dict() for blocker in blockers])
    return result


__all__ = ("no_step", "reconcile")
