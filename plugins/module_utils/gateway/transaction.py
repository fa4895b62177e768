# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""Arm, apply, prove, commit: the part of a run that changes the gateway, or leaves it as it was."""

from __future__ import annotations

import os
from typing import Any

from . import arm, edits, errors, files, interlock, journal, pem, processes, report, walk
from .errors import ApplyFailed, ProofFailed, TrustError
from .rehearsal import prove

# The files that can revert a change without the run that made it; journal.main is their entry.
PROGRAM = (arm, edits, errors, files, journal, pem, processes, walk)
MAIN = "import sys\nfrom gateway.journal import main\nsys.exit(main(*sys.argv))\n"


def transact(host, desired, now, observed, work, result, on_step, lock):
    """Carry out a Work under an armed revert; returns the report, outcome done, pending or reverted.

    Raises TrustError when the revert cannot be armed (nothing was touched) or failed (it stays armed).
    """
    within = _within(host, desired, work)
    change = _arm(host, desired, observed, work, within)
    on_step("armed")
    try:
        result["notes"] += change.apply(lock)
        on_step("applied")
        after = host.store.observe()
        _check(host.store, work, observed, after)
        if work.switches or work.loads:
            from .allowlists import changing

            changing.check(work)
        change.enter("proving")
        proofs = prove(host, desired, now)
        if within:
            from . import containers

            proofs += containers.proofs_again(host, within, now)
        result["probes"] += [proof.as_dict() for proof in proofs]
        blockers = interlock.endpoints(desired.endpoints, proofs)
        if blockers:
            raise ProofFailed(blockers[0].detail)
        on_step("proved")
    except Exception as exc:  # whatever it was, the change must not stay
        left = change.revert(lock)
        if not isinstance(exc, (TrustError, OSError)):
            raise
        result["notes"] += ["left alone, for somebody else changed it: {0}".format(path) for path in left]
        result.update(outcome="reverted", revert="reverted", changed=False, error=str(exc))
        return result
    result["changed"] = True
    result["stores"] = {host.store.name: report.describe_store(host.store, after, desired)}
    if desired.confirm == "required" or work.switches or work.loads:  # what can cut the way in is confirmed over a new one
        change.enter("pending")
        result.update(outcome="pending", pending=change.id, revert="armed")
        return result
    change.commit()
    on_step("committed")
    settle(result, host)
    return result


def settle(result, host):
    """What a report says once its change stands."""
    result.update(outcome="done", pending=None, revert="committed", committed_at=int(host.clock()), seconds_since_commit=0)
    try:
        report.publish_fact(host.state_dir, host.fact)
    except OSError as exc:  # a convenience; the change stands without it
        result["notes"].append("{0} cannot point to the report: {1}".format(host.fact, exc.strerror))


def _within(host, desired, work):
    """What to prove from within the containers that a change of the ruleset may cut off, as they are before it; or None."""
    if not work.switches:
        return None
    from . import containers

    return containers.as_document(desired, containers.holding(host, desired.allowlist))


def _arm(host, desired, observed, work, within):
    """Journal the change and arm its revert, or leave nothing behind."""
    identity = journal.next_identity(host.state_dir, host.clock())
    future, bundle = set(work.future), set(observed.bundle)
    document = {
        "campaign": desired.campaign,
        "digest": desired.digest,
        "phase": desired.phase,
        "undo": desired.undo,
        "undoes": work.undoes,
        "confirm_by": int(host.clock()) + desired.confirm_within,
        "adds": sorted(future - bundle),
        "removes": sorted(bundle - future),
        # what gets a file of ours and is in the bundle already
        "holds": [
            change.anchor.sha256
            for change in work.plan.changes
            if change.action in ("add", "hold") and change.anchor.sha256 in bundle
        ],
        "edits": [edit.as_dict() for edit in work.edits],
        "refreshes": [step.as_dict() for step in work.refreshes],
        "switches": [switch.as_dict() for switch in work.switches],
        "loads": list(work.loads),
        "within": within,
        "reserves": _reserves(host, work),
    }
    try:
        change = journal.create(host.state_dir, identity, document, _program(work.switches))
    except OSError as exc:
        raise TrustError("cannot journal the change under {0}: {1}".format(host.state_dir, exc.strerror)) from exc
    try:
        host.arm(identity, change.folder, desired.confirm_within)
    except (TrustError, OSError) as exc:
        change.abandon()
        raise TrustError("the revert cannot be armed, so nothing was changed: {0}".format(exc)) from exc
    return change


def _reserves(host, work):
    """[path, bytes] of the space that a revert may need, one for each file system it writes to."""
    bundle = host.store.layout.bundle
    size = 3 * (os.path.getsize(bundle) if os.path.exists(bundle) else 0) + 256 * 1024
    folders: dict[int, str] = {}
    persisted = [os.path.dirname(edit.path) for edit in work.edits] if work.loads else []
    # a tool that writes what boots loads itself has no edits; /etc may be read-only around a folder that is not
    persisted += [folder for _kind, path in work.loads for folder in [os.path.dirname(path)] if os.access(folder, os.W_OK)]
    for folder in [os.path.dirname(bundle), host.state_dir, *persisted]:
        folders.setdefault(os.stat(folder).st_dev, folder)
    return [[os.path.join(folder, ".rootwave-reserve"), size] for folder in folders.values()]


def _program(switches=()):
    """{file name: source text} of the self-contained revert program."""
    sources = {"__main__.py": MAIN, "gateway/__init__.py": ""}
    modules: tuple[Any, ...] = PROGRAM  # their loader may be AnsiballZ's zip importer or a file loader
    if switches:
        from .allowlists import document, prefixes, state, switch

        tools = [switch.tool_of(kind) for kind in sorted({one.kind for one in switches})]
        modules += (document, prefixes, state, switch, *tools, *(module for tool in tools for module in tool.NEEDS))
        sources["gateway/allowlists/__init__.py"] = ""
    for module in modules:
        name = module.__name__.rpartition("gateway.")[2]
        text = module.__spec__.loader.get_source(module.__name__)
        if not text:
            raise TrustError("the source of {0} cannot be read, so a revert cannot be armed".format(name))
        sources["gateway/{0}.py".format(name.replace(".", "/"))] = text
    return sources


def _check(store, work, before, after):
    """The store became exactly what the plan says, read back by fingerprint; exit codes are no evidence."""
    if set(after.bundle) != set(work.future):
        raise ApplyFailed(
            "{0} holds {1} certificates, {2} were planned".format(store.layout.bundle, len(after.bundle), len(work.future))
        )
    for change in work.plan.changes:
        sha, name = change.anchor.sha256, change.anchor.name
        if change.action == "remove" and after.forms(sha):
            raise ApplyFailed("{0} is still trusted: {1}".format(name, ", ".join(after.forms(sha))))
        if change.action in ("add", "hold") and not after.trusts(sha):
            raise ApplyFailed("{0} is not trusted in every form".format(name))
    if after.dangling - before.dangling:
        raise ApplyFailed("links that lead nowhere: {0}".format(", ".join(sorted(after.dangling - before.dangling))))


__all__ = ("settle", "transact")
