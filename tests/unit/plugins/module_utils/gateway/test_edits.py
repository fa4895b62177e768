# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Edits and their inverses on real files, and the refresh step with a real child process as the tool."""

from __future__ import annotations

import os
import sys

import pytest
from ansible_collections.rootwave.iot.plugins.module_utils.gateway import edits, walk
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.errors import ApplyFailed, CommandFailed

from .certificates import BALTIMORE, BALTIMORE_SHA256, G2, G2_SHA256

ME = {"uid": os.getuid(), "gid": os.getgid()}


def snapshot(folder):
    return {
        str(path.relative_to(folder)): os.readlink(path) if path.is_symlink() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


@pytest.fixture
def place(tmp_path):
    (tmp_path / "conf").write_text("# comment\nmozilla/A.crt\nmozilla/B.crt\n\n!mozilla/C.crt\n")
    (tmp_path / "old.crt").write_text(BALTIMORE)
    (tmp_path / "old.pem").symlink_to(tmp_path / "old.crt")
    return tmp_path


@pytest.fixture
def change(place):
    return [
        edits.Edit("file", str(place / "new.crt"), None, edits.content(G2.encode(), **ME)),
        edits.Edit("line", str(place / "conf"), "mozilla/B.crt", "!mozilla/B.crt"),
        edits.Edit("line", str(place / "conf"), None, "!mozilla/D.crt"),
        edits.Edit("file", str(place / "old.crt"), edits.file_as_it_is(str(place / "old.crt")), None),
        edits.Edit("link", str(place / "old.pem"), str(place / "old.crt"), None),
        edits.Edit("link", str(place / "new.pem"), None, str(place / "new.crt")),
    ]


def test_forward_does_what_it_says_and_backward_restores_every_byte(place, change):
    before = snapshot(place)
    walk.forward(change)
    after = snapshot(place)
    assert after["conf"] == b"# comment\nmozilla/A.crt\n!mozilla/B.crt\n\n!mozilla/C.crt\n!mozilla/D.crt\n"
    assert sorted(after) == ["conf", "new.crt", "new.pem"]
    assert walk.backward(change) == []
    assert snapshot(place) == before


@pytest.mark.parametrize("done", range(7))
def test_an_interrupted_walk_goes_both_ways(place, change, done):
    before = snapshot(place)
    walk.forward(change[:done])
    walk.forward(change)
    whole = snapshot(place)
    walk.backward(change[done:])
    walk.backward(change)
    assert snapshot(place) == before
    walk.forward(change)
    assert snapshot(place) == whole


def test_what_a_killed_write_left_behind_is_removed(place, change):
    (place / ".new.crt.rootwave").write_text("half")
    walk.forward(change)
    assert not (place / ".new.crt.rootwave").exists()


def test_forward_stops_at_a_place_that_somebody_changed(place, change):
    (place / "old.crt").write_text("mine now")
    with pytest.raises(ApplyFailed, match="changed since"):
        walk.forward(change)
    assert (place / "old.crt").read_text() == "mine now"


def test_backward_leaves_alone_what_somebody_changed_and_says_so(place, change):
    walk.forward(change)
    (place / "new.crt").write_text("mine now")
    assert walk.backward(change) == [str(place / "new.crt")]
    assert (place / "new.crt").read_text() == "mine now"
    assert (place / "old.crt").read_text() == BALTIMORE


def test_mode_and_owner_of_an_edited_file_stay(place, change):
    os.chmod(str(place / "conf"), 0o640)
    walk.forward(change)
    assert (place / "conf").stat().st_mode & 0o7777 == 0o640


def test_edits_survive_json(change):
    assert [edits.Edit(**edit.as_dict()) for edit in change] == change


def tool(place, script, **more):
    (place / "certs").mkdir(exist_ok=True)
    (place / "certs" / "bundle").write_text(BALTIMORE)
    return edits.Refresh(
        argv=(sys.executable, "-c", script),
        temporary=str(place / "tmp"),
        made=str(place / "certs" / ".made"),
        bundle=str(place / "certs" / "bundle"),
        **more,
    )


def writes(place, text):
    return "open({0!r}, 'w').write({1!r})".format(str(place / "certs" / ".made"), text)


def test_what_the_tool_made_is_installed_when_it_is_what_was_planned(place):
    step = tool(place, writes(place, BALTIMORE + G2), expect=(BALTIMORE_SHA256, G2_SHA256))
    assert walk.refresh(step) == []
    assert (place / "certs" / "bundle").read_text() == BALTIMORE + G2
    assert not (place / "certs" / ".made").exists()


@pytest.mark.parametrize(
    ("made", "error"),
    [
        pytest.param(BALTIMORE, ApplyFailed, id="a certificate is missing"),
        pytest.param("", ApplyFailed, id="the bundle is empty"),
        pytest.param(BALTIMORE[:700] + BALTIMORE + G2, ApplyFailed, id="a block is damaged, and OpenSSL reads none"),
        pytest.param(None, CommandFailed, id="the tool fails"),
    ],
)
def test_the_old_bundle_stays_when_the_tool_did_not_do_its_work(place, made, error):
    script = "raise SystemExit('no space left')" if made is None else writes(place, made)
    with pytest.raises(error):
        walk.refresh(tool(place, script, expect=(BALTIMORE_SHA256, G2_SHA256)))
    assert (place / "certs" / "bundle").read_text() == BALTIMORE


def test_a_stale_result_of_a_killed_tool_is_never_installed(place):
    step = tool(place, "pass", expect=(BALTIMORE_SHA256,))
    (place / "certs" / ".made").write_text(BALTIMORE)
    with pytest.raises(ApplyFailed):
        walk.refresh(step)


def test_hooks_get_the_lines_and_cannot_fail_the_change(place):
    hooks = place / "hooks"
    hooks.mkdir()
    for name, code in (("good", 0), ("bad", 3), ("ignored.sh", 0)):
        (hooks / name).write_text("#!/bin/sh\ncat > {0}/{1}.seen\nexit {2}\n".format(place, name, code))
        (hooks / name).chmod(0o755)
    step = tool(place, writes(place, G2), expect=(G2_SHA256,), hooks=str(hooks), added=("/a",), removed=("/b",))
    complaints = walk.refresh(step)
    assert (place / "good.seen").read_text() == "+/a\n-/b\n"
    assert len(complaints) == 1 and "bad" in complaints[0]
    assert not (place / "ignored.sh.seen").exists()
    walk.refresh(step.inverted())
    assert (place / "good.seen").read_text() == "+/b\n-/a\n"
