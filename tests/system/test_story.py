# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo is the end-to-end test: what it counts must be what it promises."""

from __future__ import annotations

import json
import subprocess
import sys

from lab import commands, config


def test_demo(tmp_path):
    name, inventory, artifacts = "story", tmp_path / "inventory", tmp_path / "artifacts"
    argv = [sys.executable, "-m", "lab.demo", "--name", name, "--inventory", inventory, "--artifacts", artifacts]
    done = subprocess.run(argv, cwd=config.ROOT, capture_output=True, text=True, check=False)
    try:
        assert done.returncode == 0, done.stdout + done.stderr
        summary = json.loads((artifacts / "summary.json").read_text())
        assert {key: summary[key] for key in summary if key != "seconds"} == {
            "gateways": 14,
            "staged": 12,
            "reconnected_after_cutover": 12,
            "stranded_after_cutover": 0,
            "holdouts": 2,
            "holdouts_stranded": 2,
            "holdouts_recovered": 2,
            "connected_at_the_end": 14,
            "baltimore_trusted_before": 14,
            "baltimore_trusted_after": 0,
        }
        assert "12 of 12 staged gateways reconnected after cutover, 0 stranded" in done.stdout
    finally:
        commands.down(name, inventory)
