# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's three people who sign, two of whom must: their keys, and what they sign. docs/signing.md on one machine."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from .config import HUB, ROOT, Lab
from .tools import run, say

FLEET = "lab"
PEOPLE = ("alice", "bob", "carol")
THRESHOLD = 2
SERIALS = {"stage": 1, "retire": 2}


def folder(lab: Lab) -> Path:
    return lab.state_dir / "signed"


def keys_file(lab: Lab) -> Path:
    """Whom devices believe."""
    return folder(lab) / "keys-1.json"


def order_file(lab: Lab, phase: str) -> Path:
    return folder(lab) / f"{SERIALS[phase]:04d}-{phase}.dsse.json"


def ensure_keys(lab: Lab) -> None:
    if keys_file(lab).exists():
        return
    say(f"making the keys of {', '.join(PEOPLE)}, {THRESHOLD} of whom must sign")
    folder(lab).mkdir(exist_ok=True)
    for person in PEOPLE:
        private, public = (folder(lab) / f"{person}{suffix}" for suffix in (".pem", ".pub.pem"))
        run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", str(private)])
        run(["openssl", "pkey", "-in", str(private), "-pubout", "-out", str(public)])
    play(lab, "make_keys", {"threshold": THRESHOLD, "people": PEOPLE})


def sign(lab: Lab, campaign: Path) -> None:
    """Both phases. A campaign's digest leaves the waves out, so this is good for every campaign file of the lab."""
    phases = [{"phase": phase, "serial": number, "file": str(order_file(lab, phase))} for phase, number in SERIALS.items()]
    endpoints = [{"host": HUB, "port": port, "role": "hub"} for port in (8883, 443)]
    play(lab, "sign_phases", {"phases": phases, "people": PEOPLE[:THRESHOLD], "campaign": str(campaign), "endpoints": endpoints})


def play(lab: Lab, name: str, variables: dict) -> None:
    argv = [Path(sys.executable).with_name("ansible-playbook"), Path(__file__).parent / "playbooks" / f"{name}.yml"]
    settings = json.dumps({"folder": str(folder(lab)), "fleet": FLEET, **variables})
    around = {"ANSIBLE_COLLECTIONS_PATH": str(ROOT / "playbooks" / "collections"), "ANSIBLE_LOCALHOST_WARNING": "false"}
    run([*map(str, argv), "-e", settings], environment={**os.environ, **around, "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false"})
