# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random rulesets in a throw-away network namespace of each image, so with nft 0.9.8, 1.0.6 and 1.1.3: ours in, and out again.

ROOTWAVE_RULESETS says how many for each; the seed is fixed, ROOTWAVE_SEED changes it.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess

import pytest

from lab import config, images

COUNT = int(os.environ.get("ROOTWAVE_RULESETS", "40"))
SEED = os.environ.get("ROOTWAVE_SEED", "issue 5")
CORE = "/project/plugins/module_utils"
SUITES = [("bullseye", "v0.9.8"), ("bookworm", "v1.0.6"), ("trixie", "v1.1.3")]


def in_namespace(suite, *argv, rights="--cap-add=NET_ADMIN"):
    image = images.base_image(suite)
    images.ensure_base(suite)
    podman = ["podman", "--runtime", images.choose_runtime(image), "run", "--rm", "--network", "none", rights]
    podman += ["--volume", f"{config.ROOT}:/project:ro", "--env", "PYTHONDONTWRITEBYTECODE=1", *images.LIMITS, image]
    return subprocess.run([*podman, *argv], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("suite, version", SUITES)
def test_apply_then_revert_is_nothing(suite, version):
    script = "/project/tests/system/on_gateway_rulesets.py"
    done = in_namespace(suite, "python3", script, CORE, str(COUNT), SEED)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["failures"] == []
    assert version in result["version"]
    assert result["staged"] > COUNT // 3 and result["refused"] > 0, result


@pytest.mark.parametrize("suite", [suite for suite, _version in SUITES])
def test_a_container_behind_the_forward_path(suite):
    """Real packets through a real gateway: refused without a place, not believed to be unfiltered, through after stage."""
    script = "/project/tests/system/on_gateway_forward.py"
    done = in_namespace(suite, "python3", script, CORE, rights="--privileged")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "unfiltered": "connected",
        "without a place": ["allowlist-forward"],
        "before": "",
        "none is not believed": ["allowlist-place"],
        "blockers": [],
        "after": "connected",
        "reverted": "",
    }


@functools.cache
def proved(suite):
    script = "/project/tests/system/on_gateway_proof.py"
    done = in_namespace(suite, "python3", script, CORE, rights="--privileged")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("suite", [suite for suite, _version in SUITES])
def test_proofs_from_within_a_container(suite):
    """Its session goes by the forward path. Where that is shut for the new address, stage reverts, retire and commit refuse."""
    found = proved(suite)
    shut, seen = found["staged shut"], found["containers"]
    assert (shut["connected"], shut["staged"]["outcome"], shut["restored"]) == ("connected", "reverted", True), shut
    assert "inside container" in shut["staged"]["error"], shut["staged"]["error"]
    assert (seen["staged"]["outcome"], seen["committed"]) == ("pending", "done"), seen["staged"]
    assert any("inside container" in probe["trust"] and probe["stage"] == "ok" for probe in seen["staged"]["probes"])
    refused = [one for one in seen["retire, path shut"]["blockers"] if "inside container" in one["detail"]]
    assert [one["id"] for one in refused] == ["endpoint-tcp"], seen["retire, path shut"]
    assert seen["reconnected"] == "connected"
    assert seen["retire, path open"]["outcome"] == "pending", seen["retire, path open"]
    assert seen["commit, path shut"].startswith("not committed: hub.example:8883"), seen["commit, path shut"]
    assert (seen["only that rule"], seen["commit, path open"]) == (True, "done")


@pytest.mark.parametrize("suite", [suite for suite, _version in SUITES])
def test_quiet_begins_anew_with_the_counters(suite):
    """The kernel counts from nought after the ruleset is loaded again, which looks like no traffic at all."""
    found = proved(suite)["containers"]["watched"]
    assert found["as before"][:3] == ["done", [], True], found
    assert found["loaded again"][:3] == ["done", [], False], found


def test_what_was_taken_out_tells_its_packets():
    """The container's old session went by the forward place alone."""
    plan = proved("bookworm")["containers"]["retire, path open"]["plan"]
    taken = {one["place"]: (one["prefixes"], one["packets"]) for one in plan if one["action"] == "take-out"}
    assert set(taken) == {"output: inet filter @hubs", "forward: inet filter @forwarded"}
    assert all(prefixes == ["20.5.0.1/32"] and isinstance(packets[0], int) for prefixes, packets in taken.values()), taken


@pytest.mark.parametrize("suite", [suite for suite, _version in SUITES])
def test_what_certificate_checking_needs_is_told_when_shut(suite):
    """DigiCert's hosts answer in the next namespace; Microsoft's have no name here, which is no filter's doing."""
    seen = proved(suite)["checking"]
    found = {name: {one["id"]: one for one in seen[name]["findings"]} for name in ("shut", "open")}
    shut, opened = ({one for one in found[name] if one.startswith("checking-blocked")} for name in found)
    assert shut == {f"checking-blocked:{name}.digicert.com" for name in ("cacerts", "crl3", "crl4", "ocsp")}, shut
    assert opened == set(), opened
    assert all(name in found["open"]["checking-unresolved"]["detail"] for name in seen["unresolved"])
    assert not seen["shut"]["blockers"], seen["shut"]["blockers"]
    (told,) = [one for one in seen["proxied"]["findings"] if one["id"].startswith("checking")]
    assert told["id"] == "checking-not-tried" and "crl3.digicert.com" in told["detail"]
