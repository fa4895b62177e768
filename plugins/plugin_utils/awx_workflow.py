# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. Pure: a campaign -> the nodes of its workflow in AWX (ADR 0014).

(the hub's inventory is read) -> assess -> for each wave: stage or order -> gate -> approval -> the next one; then the same for
retire, behind the approval of the cutover. A gate judges whatever assess and its wave's job said, for a campaign may allow some
gateways to fail. All that does not go on leads to the step's ``help`` node, which tells how far the campaign is, and fails: AWX
takes a workflow for successful as long as its last jobs are.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .waves import SSH, TWIN

JOB, APPROVAL, SOURCE = "job", "approval", "source"
ASSESS, STAGE, ORDER, RETIRE, GATE, REPORT, HELP = "assess", "stage", "order", "retire", "gate", "report", "help"  # job templates
CUTOVER = "approve-cutover"
END, SYNC = "end", "inventory"
WAYS = ("success", "failure", "always")


@dataclass
class Node:
    """One node. ``template`` is the job template's key, a source's name, and empty for an approval. Ways hold identifiers.

    ``name`` is an approval's name; AWX shows other nodes by their identifiers.
    """

    identifier: str
    kind: str
    template: str = ""
    name: str = ""
    extra_data: dict = field(default_factory=dict)
    success: list[str] = field(default_factory=list)
    failure: list[str] = field(default_factory=list)
    always: list[str] = field(default_factory=list)

    def as_dict(self) -> dict:
        return dict(vars(self))


def phases_of(campaign: dict) -> list[str]:
    """What its waves go through: where neither a root nor an address goes, nothing is retired."""
    return [STAGE, RETIRE] if campaign["absent"] or (campaign.get("allowlist") or {}).get("old") else [STAGE]


def nodes_of(campaign: dict, source: str = "") -> list[dict]:
    """The nodes in an order in which each one's ways lead to later ones; ``source`` is the inventory source's name."""
    phases = phases_of(campaign)
    steps = [(phase, wave) for phase in phases for wave in campaign["waves"]]
    first = f"{steps[0][0]}-{steps[0][1]['group']}"
    nodes = [Node(ASSESS, JOB, ASSESS, always=[first])]
    if source:
        nodes = [Node(SYNC, SOURCE, source, success=[ASSESS], failure=[f"help-{SYNC}"]), _help(SYNC), *nodes]
    for number, (phase, wave) in enumerate(steps):
        following = steps[number + 1] if number + 1 < len(steps) else None
        nodes += _wave(phase, wave, following)
    nodes.append(Node(END, JOB, REPORT))
    return [node.as_dict() for node in nodes]


def _wave(phase: str, wave: dict, following) -> list[Node]:
    """A wave's own nodes: its job, its gate, the approval where something follows, and where all else leads to."""
    about, name = {"rootwave_wave": wave["group"], "rootwave_phase": phase}, f"{phase}-{wave['group']}"
    run = Node(name, JOB, ORDER if wave.get("via", SSH) == TWIN else phase, extra_data=about, always=[f"gate-{name}"])
    gate = Node(f"gate-{name}", JOB, GATE, extra_data=about, success=[END], failure=[f"help-{name}"])
    if following is None:
        return [run, gate, _help(name)]
    to, cutover = f"{following[0]}-{following[1]['group']}", following[0] != phase
    words = "cutover: the hub serves the new chain, old roots may go" if cutover else f"{phase} wave {following[1]['group']}"
    identifier = CUTOVER if cutover else f"approve-{name}"
    gate.success = [identifier]
    return [run, gate, Node(identifier, APPROVAL, name=words, success=[to], failure=[f"help-{name}"]), _help(name)]


def _help(step: str) -> Node:
    return Node(f"help-{step}", JOB, HELP)


def approvals_of(nodes: list[dict]) -> dict[str, dict]:
    """{"stage-canary": {"identifier", "name"}}: the approval that the gate of a phase and wave writes to."""
    known = {node["identifier"]: node for node in nodes}
    return {
        node["identifier"].removeprefix("gate-"): {"identifier": way, "name": known[way]["name"]}
        for node in nodes
        if node["template"] == GATE
        for way in node["success"]
        if known[way]["kind"] == APPROVAL
    }


def stale(there: list[dict], nodes: list[dict]) -> list[str]:
    """Which of a workflow's nodes in AWX, by identifier, must go before the others are led anew.

    Those that the campaign has no more, and those with a way that is not wanted any more: led one by one, waves in another order
    would close a circle on the way, which AWX refuses. ``there`` is what its API lists.
    """
    names = {node["id"]: node["identifier"] for node in there}
    wanted = {node["identifier"]: {way: set(node[way]) for way in WAYS} for node in nodes}
    return [
        node["identifier"]
        for node in there
        if node["identifier"] not in wanted
        or any({names.get(one) for one in node[f"{way}_nodes"]} - wanted[node["identifier"]][way] for way in WAYS)
    ]


__all__ = ("APPROVAL", "JOB", "SOURCE", "Node", "approvals_of", "nodes_of", "phases_of", "stale")
