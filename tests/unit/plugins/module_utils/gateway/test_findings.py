# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What assess notices in the system store, in its source folders, and in CA files that a campaign names."""

from __future__ import annotations

import os
import time

import pytest
from ansible_collections.rootwave.iot.plugins.module_utils.gateway import findings, pem
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.stores.system import Observed

from .certificates import BALTIMORE, BALTIMORE_SHA256, G2, INTERMEDIATE, LEAF
from .debian_gateway import wanted

NOW = time.time()
AFTER_BALTIMORE = 1747094400 + 86400  # it ended on 2025-05-12


def der(text):
    return pem.split(text.encode())[0]


def observed(bundle=(), sources=None):
    held = {pem.fingerprint(der(text)): der(text) for text in bundle}
    return Observed(layout="debian", bundle=held, hashed=frozenset(held), sources=sources or {})


def ids(found):
    return sorted((finding.id, finding.severity) for finding in found)


def short(text):
    return pem.fingerprint(der(text))[:12]


def test_a_clean_store():
    assert findings.anchor_findings(wanted("assess"), observed([G2]), NOW) == []


def test_what_the_bundle_should_not_hold():
    found = findings.anchor_findings(wanted("assess"), observed([G2, LEAF, INTERMEDIATE, BALTIMORE]), AFTER_BALTIMORE)
    assert ids(found) == [
        ("expired-anchor:baltimore", "info"),
        ("intermediate-anchor:" + short(INTERMEDIATE), "warning"),
        ("leaf-anchor:" + short(LEAF), "warning"),
        ("retired-anchor:baltimore", "info"),
    ]


@pytest.mark.parametrize("text, kind", [(LEAF, "leaf-anchor"), (INTERMEDIATE, "intermediate-anchor")])
def test_what_lies_in_a_source_folder_only(tmp_path, text, kind):
    path = tmp_path / "pin.crt"
    path.write_text(G2 + text)
    sources = {str(path): tuple(pem.fingerprint(one) for one in pem.split(path.read_bytes()))}
    (found,) = findings.anchor_findings(wanted("assess"), observed([G2], sources), NOW)
    assert found.id == "{0}:{1}".format(kind, short(text))
    assert str(path) in found.detail
    once = findings.anchor_findings(wanted("assess"), observed([G2, text], sources), NOW)
    assert [finding.id for finding in once] == [found.id]


def test_a_retired_root_in_a_source_folder_is_still_trusted(tmp_path):
    path = tmp_path / "old.crt"
    path.write_text(BALTIMORE)
    found = findings.anchor_findings(wanted("assess"), observed([], {str(path): (BALTIMORE_SHA256,)}), 0)
    assert [(one.id, one.detail.endswith("local:" + str(path))) for one in found] == [("retired-anchor:baltimore", True)]


@pytest.mark.parametrize(
    "text, expected",
    [
        (G2, []),
        (BALTIMORE, [("ca-file-old-root-only", "blocker")]),
        (G2 + BALTIMORE, [("ca-file-old-root", "info")]),
        (G2 + INTERMEDIATE, [("ca-file-pin", "blocker")]),
        (LEAF, [("ca-file-pin", "blocker")]),
        ("nothing", [("ca-file-empty", "blocker")]),
    ],
)
def test_ca_files(tmp_path, text, expected):
    path = tmp_path / "ca.pem"
    path.write_text(text)
    found = findings.ca_file_findings(wanted("assess", ca_files=[str(path)]))
    assert ids(found) == [(kind + ":" + str(path), severity) for kind, severity in expected]


def test_a_pipe_cannot_hold_a_run(tmp_path):
    os.mkfifo(str(tmp_path / "ca.pem"))
    found = findings.ca_file_findings(wanted("assess", ca_files=[str(tmp_path / "ca.pem")]))
    assert [finding.id.partition(":")[0] for finding in found] == ["ca-file-unreadable"]


def test_ca_files_that_cannot_be_read(tmp_path):
    missing, folder = tmp_path / "missing.pem", tmp_path / "folder"
    folder.mkdir()
    found = findings.ca_file_findings(wanted("assess", ca_files=[str(missing), str(folder)]))
    assert ids(found) == [
        ("ca-file-missing:" + str(missing), "warning"),
        ("ca-file-unreadable:" + str(folder), "blocker"),
    ]
