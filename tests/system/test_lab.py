# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's own promise: up makes what is missing, down removes all and only what up made."""

from __future__ import annotations

import json

import pytest

from lab import commands, config
from lab.tools import LabError, run

NAME = "promise"


def made(label) -> dict[str, set[str]]:
    """What podman has with this label: {"containers", "networks", "images"}."""
    wanted = f"label={label}"
    containers = run(["podman", "ps", "--all", "--quiet", "--no-trunc", "--filter", wanted]).split()
    networks = json.loads(run(["podman", "network", "ls", "--format", "json", "--filter", wanted]))
    images = run(["podman", "images", "--quiet", "--no-trunc", "--filter", wanted]).split()
    return {"containers": set(containers), "networks": {one["name"] for one in networks}, "images": set(images)}


def test_up_twice_and_down(lab, tmp_path):
    """The session's own lab stands beside this one all the time and must not be touched."""
    if config.load(NAME) is not None:
        commands.down(NAME, tmp_path / "inventory")
    own, other = f"rootwave.lab={NAME}", f"rootwave.lab={lab.name}"
    neighbour = made(other)
    assert len(neighbour["containers"]) == len(lab.gateways)
    commands.up(NAME, {"only": 1}, tmp_path / "inventory")
    try:
        first = made(own)
        assert [len(first[kind]) for kind in ("containers", "networks", "images")] == [1, 1, 1]
        commands.up(NAME, {"only": 1}, tmp_path / "inventory")
        assert made(own) == first
        with pytest.raises(LabError, match="end it first"):
            commands.up(NAME, {"only": 2}, tmp_path / "inventory")
    finally:
        commands.down(NAME, tmp_path / "inventory")
    assert made(own) == {"containers": set(), "networks": set(), "images": set()}
    assert not config.state_dir_of(NAME).exists()
    assert not list((tmp_path / "inventory").rglob("hosts*"))
    assert made(other) == neighbour
