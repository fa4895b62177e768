# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the action gateway confirms a change: over a login of its own, or not at all. Real logins: tests/system/test_waves.py."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible_collections.rootwave.iot.plugins.action import gateway
from ansible_collections.rootwave.iot.plugins.plugin_utils.fresh_connection import use_fresh


class Connection:
    def __init__(self, transport, fails=None):
        self.transport, self.fails, self.options, self.resets = transport, fails, {"ssh_args": "-o X=y"}, 0

    def get_option(self, name):
        return self.options[name]

    def set_option(self, name, value):
        self.options[name] = value

    def reset(self):
        self.resets += 1
        if self.fails:
            raise self.fails


@pytest.fixture
def run(monkeypatch):
    """run(connection, desired, fails): (result or error, the names of the modules that ran)."""
    monkeypatch.setattr(gateway.ActionBase, "run", lambda *_args, **_more: None)

    def call(connection, desired, fails=None):
        ran = []
        action = object.__new__(gateway.ActionModule)
        action._connection, action._task = connection, SimpleNamespace(args={"desired": desired})

        def execute(module_name="gateway", **_more):
            ran.append(module_name)
            if module_name == "gateway":
                return {"outcome": "pending", "pending": "7", "plan": ["kept"]}
            if fails:
                raise fails
            return {"outcome": "done", "committed_at": 1, "seconds_since_commit": 0}

        action._execute_module = execute
        try:
            return action.run(), ran
        except AnsibleError as exc:
            return exc, ran

    return call


def test_ssh_logs_in_anew(run):
    connection = Connection("ssh")
    result, ran = run(connection, {"allowlist": {"new": []}})
    assert (result["outcome"], result["revert"], len(ran)) == ("done", "committed", 2)
    assert connection.options["ssh_args"] == "-o ControlMaster=no -o ControlPath=none -o X=y"


@pytest.mark.parametrize("asked", [{"allowlist": {"new": []}}, {"confirm": "required"}])
def test_a_connection_that_nobody_knows_is_refused_before_anything_changes(run, asked):
    error, ran = run(Connection("ansible.netcommon.libssh"), asked)
    assert "may keep its session" in str(error) and ran == []


def test_a_connection_that_nobody_knows_takes_what_needs_no_confirmation(run):
    result, ran = run(Connection("ansible.netcommon.libssh"), {"confirm": "auto"})
    assert ran == ["gateway"] and result["failed"] and "reverts by itself" in result["msg"], "pending all the same: not confirmed"


@pytest.mark.parametrize(
    ("login", "commit", "how"),
    [
        (AnsibleConnectionFailure("no route"), None, "unreachable"),
        (None, AnsibleConnectionFailure("no route"), "unreachable"),
        (None, AnsibleError("missing password"), "failed"),
    ],
)
def test_what_was_applied_is_told_where_it_cannot_be_confirmed(run, login, commit, how):
    result, _ran = run(Connection("paramiko", login), {"allowlist": {"new": []}}, commit)
    assert result[how] is True and result["plan"] == ["kept"] and result["outcome"] == "pending"
    assert "applied, but not confirmed, so it reverts by itself" in result["msg"]
    assert ("where only the answer was lost it stands" in result["msg"]) == (how == "unreachable")


@pytest.mark.parametrize("transport", ["local", "containers.podman.podman"])
def test_what_keeps_nothing_open_is_left_as_it_is(transport):
    connection = Connection(transport)
    use_fresh(connection)
    assert connection.options == {"ssh_args": "-o X=y"} and not connection.resets
