# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The job templates as configure_awx.yml makes them, from its own table: what AWX would run for a launch, or refuse to launch."""

from __future__ import annotations

import functools
from typing import NamedTuple

import yaml

from lab import config

TABLE = config.ROOT / "roles" / "awx_campaign" / "vars" / "main.yml"


class LaunchRefused(Exception):
    """AWX takes no such answer; its survey says which."""


class Launch(NamedTuple):
    """A playbook below the project, and the extra variables that AWX gives it."""

    playbook: str
    extra_vars: dict


@functools.cache
def templates() -> dict[str, dict]:
    return _table()["awx_campaign_templates"]


def launch(template: str, campaign: str, waves: list[str], answers: dict, slices: int = 1, workflow: str = "lab") -> Launch:
    """A template's launch with a survey's answers, by question; ``waves`` are the campaign's. Raises LaunchRefused.

    A gate gets the approvals that it writes into, too: tests/awx has those, for there is no AWX on a lab.
    """
    known, given = templates()[template], dict(answers)
    extra = {"rootwave_campaign": campaign, "rootwave_workflow": workflow, **known["extra_vars"]}
    if known.get("sliced") and slices > 1:
        extra["rootwave_sliced"] = True
    for name in known["asks"]:
        question = _table()["awx_campaign_questions"][name]
        choices = waves if name == "wave" else question["choices"]
        if given.get(name) not in choices:
            raise LaunchRefused(f"{question['variable']}: {given.get(name)!r} is none of {choices}")
        extra[question["variable"]] = given.pop(name)
    if given:
        raise LaunchRefused(f"{template} does not ask for {', '.join(given)}")
    return Launch(known["playbook"], extra)


@functools.cache
def _table() -> dict:
    return yaml.safe_load(TABLE.read_text())


__all__ = ("Launch", "LaunchRefused", "launch", "templates")
