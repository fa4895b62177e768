# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. Pure: a campaign -> the nodes of its workflow in AWX (ADR 0014).

assess -> for each wave: stage or order -> gate -> approval -> the next one; then the same for retire, behind the approval of the
cutover. A gate judges whatever its wave's job said, for a campaign may allow some gateways to fail. All that does not go on leads
to the wave's ``help`` node, which reports and says what to do.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .waves import SSH, TWIN

JOB, APPROVAL = "job", "approval"
ASSESS, STAGE, ORDER, RETIRE, GATE, REPORT = "assess", "stage", "order", "retire", "gate", "report"  # job templates
CUTOVER = "approve-cutover"
END = "end"
IDENTIFIER_MOST = 512  # characters, of AWX's model


@dataclass
class Node:
    """One node; ``template`` is the job template's key, and empty for an approval. The ways hold identifiers."""

    identifier: str
    kind: str
    name: str
    template: str = ""
    extra_data: dict = field(default_factory=dict)
    timeout: int = 0
    success: list[str] = field(default_factory=list)
    failure: list[str] = field(default_factory=list)
    always: list[str] = field(default_factory=list)

    def as_dict(self) -> dict:
        return dict(vars(self))


def nodes_of(campaign: dict, workflow: str, organization: str, timeout: int = 0) -> list[dict]:
    """The nodes in an order in which each one's ways lead to later ones; ``timeout`` of approvals is in seconds, 0 for none."""
    asked = {"workflow": workflow, "organization": organization, "timeout": timeout}
    phases = [STAGE, RETIRE] if campaign["absent"] else [STAGE]
    steps = [(phase, wave) for phase in phases for wave in campaign["waves"]]
    first = f"{steps[0][0]}-{steps[0][1]['group']}"
    nodes = [Node(ASSESS, JOB, "assess the fleet", ASSESS, success=[first], failure=["help-assess"])]
    nodes.append(_help("assess", {}, "the fleet could not be assessed"))
    for number, (phase, wave) in enumerate(steps):
        following = steps[number + 1] if number + 1 < len(steps) else None
        nodes += _wave(phase, wave, following, asked)
    nodes.append(Node(END, JOB, f"report: {phases[-1]} is through", REPORT))
    return [node.as_dict() for node in nodes]


def _wave(phase: str, wave: dict, following, asked: dict) -> list[Node]:
    """A wave's own nodes: its job, its gate, the approval where something follows, and where all else leads to."""
    group, about = wave["group"], {"rootwave_wave": wave["group"], "rootwave_phase": phase}
    name, help_name = f"{phase}-{group}", f"help-{phase}-{group}"
    template = ORDER if wave.get("via", SSH) == TWIN else phase
    run = Node(name, JOB, f"{phase} wave {group}", template, about, always=[f"gate-{name}"])
    gate = Node(f"gate-{name}", JOB, f"gate of wave {group}, {phase}", GATE, about, success=[END], failure=[help_name])
    found = [run, gate, _help(name, about, f"wave {group} stays where it is")]
    if following:
        to = f"{following[0]}-{following[1]['group']}"
        cutover = following[0] != phase
        identifier = CUTOVER if cutover else f"approve-{name}"
        words = (
            "cutover: the hub serves the new chain, old roots may go"
            if cutover
            else f"{following[0]} wave {following[1]['group']}"
        )
        gate.success = [identifier]
        gate.extra_data = {**about, "rootwave_approval": {**asked, "identifier": identifier, "name": words}}
        approval = Node(identifier, APPROVAL, words, timeout=asked["timeout"], success=[to], failure=[help_name])
        found.insert(2, approval)
    return found


def _help(step: str, about: dict, words: str) -> Node:
    return Node(f"help-{step}", JOB, f"help: {words}", REPORT, about)


__all__ = ("APPROVAL", "JOB", "Node", "nodes_of")
