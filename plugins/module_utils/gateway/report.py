# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""The report: what one gateway says happened, the same JSON by push and pull.

Kept in ``/var/lib/rootwave/report.json``, also as Ansible's local fact ``ansible_local.rootwave``. Its keys are
in docs/architecture.md.
"""

from __future__ import annotations

import os
import platform
import ssl

from . import files

SCHEMA = 1
STATE_DIR = "/var/lib/rootwave"
FACT = "/etc/ansible/facts.d/rootwave.fact"


def new(desired):
    """A report with every key that readers rely on."""
    return {
        "schema": SCHEMA,
        "campaign": {"name": desired.campaign, "digest": desired.digest},
        "phase": desired.phase,
        "undo": desired.undo,
        "outcome": "failed",
        "changed": False,
        "plan": [],
        "blockers": [],
        "findings": [],
        "probes": [],
        "stores": {},
        "allowlist": None,
        "revert": "none",
        "pending": None,
        "power_safe": True,
        "committed_at": None,
        "seconds_since_commit": None,
        "finished_at": None,
        "elapsed": None,  # seconds
        "host": host(),
        "notes": [],
    }


def path_in(state_dir):
    return os.path.join(state_dir, "report.json")


def load(state_dir, now):
    """The last report with ``seconds_since_commit`` counted to ``now``, or None."""
    report = files.read_json(path_in(state_dir))
    if report is not None:
        count_since_commit(report, now)
    return report


def save(report, state_dir):
    files.write_json(path_in(state_dir), report, mode=0o644)


def publish_fact(state_dir, fact):
    """Let Ansible's setup module find the report; only after a change was made, for it lies in /etc."""
    os.makedirs(os.path.dirname(fact), exist_ok=True)
    if not os.path.islink(fact):
        files.remove(fact)
        os.symlink(path_in(state_dir), fact)


def carry_commit(report, last, now, state_dir):
    """When the desired state has held since an earlier run, it was committed then, not ``now`` (None: unknown).

    Stage and retire of one campaign that find nothing to do leave what the other one left: a campaign that is launched again
    after its cutover soaks nothing twice. A run that was killed after its commit has left no report, so the journal's word on
    the last commit counts where it is later.
    """
    same = last and last.get("campaign") == report["campaign"] and _what(last) == _what(report)
    committed = same and last.get("committed_at")
    since = _last_commit(state_dir) if committed else None
    report["committed_at"] = now and int(now) if since is None else max(int(committed), since)
    count_since_commit(report, now or 0)


def _last_commit(state_dir):
    """When the newest change was committed, by its journal (0: none was); None where that is damaged."""
    history = os.path.join(state_dir, "history")
    for name in reversed(files.names_in(history)):
        state = files.read_json(os.path.join(history, name, "state"))
        try:
            if state["state"] == "committed":
                return int(state["at"])
        except (KeyError, TypeError, ValueError):
            return None
    return 0


def _what(report):
    return ("stage or retire" if report.get("phase") in ("stage", "retire") else report.get("phase"), report.get("undo"))


def count_since_commit(report, now):
    committed = report.get("committed_at")
    report["seconds_since_commit"] = None if committed is None else max(0, int(now) - int(committed))


def describe_store(store, observed, desired):
    """One store's part of a report."""
    return {
        "layout": observed.layout,
        "anchors": len(observed.bundle),
        "present": {
            anchor.name: "own" if store.holds(anchor, observed) else "trusted" if observed.trusts(anchor.sha256) else "missing"
            for anchor in desired.present
        },
        "absent": {anchor.name: observed.forms(anchor.sha256) for anchor in desired.absent},
    }


def host():
    """Operating system, Python and OpenSSL of the gateway, for humans."""
    return {"os": _os_name(), "python": platform.python_version(), "openssl": ssl.OPENSSL_VERSION}


def _os_name():
    text = (files.read("/etc/os-release", 16 * 1024) or b"").decode("utf-8", "replace")
    for line in text.splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.split("=", 1)[1].strip('"')
    return "unknown"


__all__ = (
    "FACT",
    "carry_commit",
    "count_since_commit",
    "describe_store",
    "host",
    "load",
    "new",
    "publish_fact",
    "save",
)
