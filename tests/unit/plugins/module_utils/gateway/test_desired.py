# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.desired import from_document
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.errors import BadInput

from .certificates import BALTIMORE, BALTIMORE_SHA256, G2, G2_SHA256, INTERMEDIATE, LEAF

NEW = {"name": "g2", "sha256": G2_SHA256, "pem": G2}
OLD = {"name": "baltimore", "sha256": BALTIMORE_SHA256, "pem": BALTIMORE}


def document(**changes):
    base = {
        "schema": 1,
        "campaign": "test",
        "digest": "0" * 64,
        "phase": "stage",
        "present": [NEW],
        "absent": [OLD],
        "endpoints": [{"host": "Hub.example", "port": 8883}],
    }
    base.update(changes)
    return {key: value for key, value in base.items() if value is not None}


def test_a_whole_document():
    desired = from_document(
        document(
            safe_after={"date": "2024-09-30", "source": "https://example.com"},
            accept=[{"finding": "java:x", "reason": "replaced next week"}],
            timeouts={"tls": 3},
        )
    )
    assert [anchor.name for anchor in desired.present + desired.absent] == ["g2", "baltimore"]
    assert (desired.endpoints[0].host, desired.endpoints[0].role) == ("hub.example", "hub")
    assert desired.safe_after == 1727654400
    assert desired.accept == ("java:x",)
    assert (desired.timeouts.tls, desired.timeouts.tcp) == (3.0, 5.0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"surprise": 1}, "unknown key 'surprise'", id="unknown key"),
        pytest.param({"digest": None}, "'digest' is missing", id="missing key"),
        pytest.param({"schema": 2}, "schema 2", id="a schema of the future"),
        pytest.param({"phase": "destroy"}, "phase is 'destroy'", id="unknown phase"),
        pytest.param({"present": "x"}, "wrong type", id="wrong type"),
        pytest.param({"campaign": "../x"}, "not a name", id="campaign that is a path"),
        pytest.param({"endpoints": []}, "no endpoints", id="no endpoints"),
        pytest.param({"endpoints": [{"host": "a b", "port": 1}]}, "not a host name", id="host with a space"),
        pytest.param({"endpoints": [{"host": "-oProxy", "port": 1}]}, "not a host name", id="host like an option"),
        pytest.param({"endpoints": [{"host": "a", "port": 0}]}, "from 1 to 65535", id="port out of range"),
        pytest.param({"endpoints": [{"host": "a", "port": True}]}, "from 1 to 65535", id="port that is a boolean"),
        pytest.param({"endpoints": [{"host": "a", "port": 1, "proxy": "socks://p:1"}]}, "http://host:port", id="proxy scheme"),
        pytest.param({"present": [dict(NEW, sha256="0" * 64)]}, "its SHA-256 is", id="fingerprint mismatch"),
        pytest.param({"present": [dict(NEW, pem=LEAF)]}, "leaf", id="a leaf offered as anchor"),
        pytest.param({"present": [dict(NEW, pem=INTERMEDIATE)]}, "intermediate", id="an intermediate offered as anchor"),
        pytest.param({"present": [dict(NEW, pem=G2 + BALTIMORE)]}, "found 2", id="two certificates in one anchor"),
        pytest.param({"present": [dict(NEW, name="../etc/x")]}, "not a name", id="anchor name that is a path"),
        pytest.param({"absent": [dict(NEW, name="other")]}, "both present and absent", id="present and absent"),
        pytest.param({"present": [NEW] * 33}, "more than 32", id="too many anchors"),
        pytest.param({"safe_after": {"date": "soon"}}, "not a date", id="safe_after that is no date"),
        pytest.param({"ca_files": ["relative"]}, "absolute path", id="relative CA file"),
        pytest.param({"confirm_within": 1}, "from 10 to 86400", id="no time to confirm"),
        pytest.param({"timeouts": {"udp": 1}}, "timeouts are", id="unknown time-out"),
    ],
)
def test_bad_documents_name_the_key(changes, words):
    with pytest.raises(BadInput, match=words):
        from_document(document(**changes))
