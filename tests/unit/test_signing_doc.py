# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/signing.md tells every reason that a device refuses for, and no other; and its commands do what it says."""

from __future__ import annotations

import ast
import datetime
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from tests.unit.test_rules import CORE, ROOT

SIGNING = (ROOT / "docs" / "signing.md").read_text()


def reasons() -> set[str]:
    """The first argument of every Refused(...) in the core."""
    calls = [node for path in CORE.rglob("*.py") for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    return {call.args[0].value for call in calls if getattr(call.func, "id", "") == "Refused"}


def told(text: str) -> set[str]:
    return set(re.findall(r"^\| `([a-z-]+)` \|", text.partition("## Why a device refused")[2], re.MULTILINE))


def test_every_reason_is_told():
    assert len(reasons()) >= 14 and reasons() == told(SIGNING)


def test_that_check_can_fail():
    assert reasons() - told(SIGNING.replace("| `serial` |", "| |")) == {"serial"}


def commands() -> list[str]:
    """All that stands behind a ``$``, with the lines that go on with it, as somebody would type it."""
    blocks = re.findall(r"^```console\n(.*?)^```", SIGNING, re.MULTILINE | re.DOTALL)
    return [one.rstrip() for block in blocks for one in re.findall(r"^\$ (.*(?:\n {4}.*)*)", block, re.MULTILINE)]


def typed(command: str) -> str:
    """The same where nobody sits who is asked for a passphrase."""
    command = command.replace("/path/to/the/clone", str(ROOT)).replace("read -rs PASSPHRASE && ", "")
    command = command.replace("-aes256", "-aes256 -pass env:PASSPHRASE")
    return re.sub(r"(openssl pkey -in \w+\.pem|-sign \w+\.pem)", r"\1 -passin env:PASSPHRASE", command)


def desk(folder: Path) -> None:
    """Where they sign: the campaign that comes with the collection, but for what would have to be fetched, and sign.yml."""
    shutil.copytree(ROOT / "campaigns", folder / "campaigns")
    path = folder / "campaigns" / "baltimore-to-digicert-g2.yml"
    campaign = yaml.safe_load(path.read_text())
    campaign["anchors"]["present"] = [one for one in campaign["anchors"]["present"] if "file" in one]
    path.write_text(yaml.safe_dump(campaign))
    play = yaml.safe_load(SIGNING.partition("```yaml\n")[2].partition("```")[0])
    now = datetime.datetime.now(datetime.UTC)
    task = play[0]["tasks"][0]["rootwave.iot.campaign_sign"]
    task["not_before"], task["expires"] = (f"{now + datetime.timedelta(days):%Y-%m-%dT%H:%M:%SZ}" for days in (1, 60))
    (folder / "sign.yml").write_text(yaml.safe_dump(play))
    task["to_sign"] = "bytes-to-sign"
    (folder / "sign-to.yml").write_text(yaml.safe_dump(play))


def test_the_commands_as_they_are_written(tmp_path):
    """Alice, Bob and Carol sign a stage, then Dave comes for Carol: every command of the page, in its order, in one folder."""
    desk(tmp_path)
    found = [typed(one) for one in commands()]
    first = next(number for number, one in enumerate(found) if one.startswith("ansible"))
    own = [one for one in found[:first] if one.startswith("openssl")]  # each person's, on their own machine
    found[first:first] = [one.replace("alice", name) for name in ("bob", "carol", "dave") for one in own]
    found = [
        one.replace("sign.yml -e state=signed", "sign-to.yml -e state=signed") if "key=" not in one else one for one in found
    ]
    script = "\n".join(["set -euo pipefail", *found])
    environment = {**os.environ, "PASSPHRASE": "of all of them", "HOME": str(tmp_path), "ANSIBLE_NOCOLOR": "1"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    environment.pop("ANSIBLE_COLLECTIONS_PATH", None)
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, script + done.stdout + done.stderr
    assert len([one for one in found if one.startswith("ansible")]) == 9
    signed = {path.name: json.loads(path.read_text()) for path in (tmp_path / "signed").iterdir()}
    assert {name: len(one["signatures"]) for name, one in signed.items() if "signatures" in one} == {
        "0007-stage.dsse.json": 3,
        "keys-2.dsse.json": 2,
    }
    assert done.stdout.count('"ready": true') == 2 and "of all of them" not in done.stdout + done.stderr
