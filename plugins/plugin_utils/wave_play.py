# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. A gate's play: where in its waves it is, what speaks against its start, how it is resumed."""

from __future__ import annotations

import json
import re
import shlex
import time

from ansible import context

from . import azure_blockers, order_file, twin_gate
from .evidence import Asked
from .hub.errors import HubError
from .waves import TWIN


def undone_phase(args):
    """(the phase that phase revert takes back or None, complaint)."""
    if args["phase"] != "revert":
        return None, None
    if args["sliced"]:
        return None, "a revert is judged by reports of all gateways, so it runs without rootwave_sliced"
    if args["undo"] is None:
        return None, "name the phase that is to be taken back: -e rootwave_undo=retire (or stage)"
    return args["undo"], None


def asked_of(args):
    campaign = args["campaign"]
    accepted = tuple(item["finding"] for item in campaign["accept"])
    return Asked(campaign["digest"], args["phase"], args["undo"], accepted)


def against_the_start(args, index, task_vars):
    """Why this batch must not start, whatever came before it."""
    return [] if args["closing"] else [*against_in_azure(args, task_vars), *against_the_order(args, index)]


def against_the_order(args, index):
    """Why no twin wave of this run could be ordered: said before its first wave, not after days of the others."""
    if index or not any(wave.get("via") == TWIN and wave["mode"] == "run" for wave in args["waves"]["waves"]):
        return []
    try:
        order_file.must_not_be_over(twin_gate.order_for(args["twins"], asked_of(args)), time.time())
    except HubError as exc:
        return [f"{exc}; {exc.advice}"]
    return []


def against_in_azure(args, task_vars):
    """What Azure itself says against retire; nothing where hub_info was not asked."""
    azure = args["azure"] or {}
    if args["phase"] != "retire" or not azure or azure.get("skipped"):
        return []
    if "hubs" not in azure or azure.get("failed"):
        return ["azure: this is no result of hub_info, so nothing is known of the hubs"]
    campaign, hostvars = args["campaign"], task_vars["hostvars"]
    own = [endpoint for host in args["waves"]["hosts"] for endpoint in hostvars[host].get("rootwave_endpoints") or []]
    listed = {endpoint["host"] for endpoint in [*campaign["endpoints"], *own]}
    about_roots = campaign["present"] or campaign["absent"]  # else it is about addresses alone
    present = [anchor["name"] for anchor in campaign["present"]] if about_roots else None
    accepted = [item["finding"] for item in campaign["accept"]]
    found = azure_blockers.blockers(azure, listed, present, accepted)
    return [f"{one.id}: {one.detail}" for one in found]


def locate(batches, hosts, task_vars, closing):
    """(index of the batch that this play is in, complaint). The play must be exactly what campaign and inventory fixed."""
    covered = list(task_vars["ansible_play_hosts_all"])
    if covered != hosts:
        missing = [host for host in hosts if host not in covered]
        return 0, (
            f"the play covers {len(covered)} of {len(hosts)} gateways "
            f"(missing: {', '.join(missing[:5]) or 'none, but the order differs'}); "
            "a wave is judged whole, so run without --limit and without job slices (rootwave.iot.run_wave runs one wave); in AWX "
            "relaunch on all hosts, what is done is skipped"
        )
    here = list(task_vars["ansible_play_batch"])
    for index, batch in enumerate(batches):
        if here == batch["hosts"] or (closing and here and set(here) <= set(batch["hosts"])):
            return index, None
    return 0, f"the batch {', '.join(here[:5])} is none that the campaign's waves fixed; do not override serial or strategy"


def in_words(verdict):
    numbers = ", ".join(f"{number} {word}" for word, number in verdict.numbers.items() if number)
    return f"{verdict.verdict}: {numbers or 'no numbers'}" + "".join(f"; {reason}" for reason in verdict.reasons)


def resume(task_vars, campaign):
    """The exact command, from what is known to hold no secret: playbook, inventory, campaign and the run's own variables."""
    playbook = (context.CLIARGS.get("args") or ["the playbook"])[0]
    command = ["ansible-playbook", playbook]
    for source in task_vars.get("ansible_inventory_sources") or []:
        command += ["-i", source]
    command += ["-e", _variable("rootwave_campaign", campaign["path"])]
    for name in ("rootwave_phase", "rootwave_wave", "rootwave_undo", "rootwave_section", "rootwave_late_condition"):
        if task_vars.get(name):
            command += ["-e", _variable(name, task_vars[name])]
    return shlex.join(command)


def _variable(name, value):
    """As ``-e`` takes it whole: key=value ends at a blank, and JSON never does."""
    return f"{name}={value}" if re.fullmatch(r"[\w./~:@+-]+", str(value)) else json.dumps({name: str(value)})


__all__ = ("against_the_start", "asked_of", "in_words", "locate", "resume", "undone_phase")
