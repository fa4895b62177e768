# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from lab.hub.faults import Faults


def test_hits_are_counted():
    faults = Faults()
    faults.add({"name": "status", "status": 503, "method": "POST", "path": "^/devices/query", "after": 2, "count": 1})
    facts = {"method": "POST", "path": "/devices/query"}
    assert faults.hit("status", method="GET", path="/devices/query") is None
    assert faults.hit("latency", **facts) is None
    hits = [faults.hit("status", **facts) for _each in range(4)]
    assert [fault.status if fault else None for fault in hits] == [None, None, 503, None]


def test_clear():
    faults = Faults()
    faults.add({"name": "drop-tcp"})
    assert faults.hit("drop-tcp", path="/twins/one")
    faults.clear()
    assert faults.hit("drop-tcp", path="/twins/one") is None


@pytest.mark.parametrize("document", [{"name": "nonsense"}, {"status": 429}, {"name": "status", "colour": "red"}])
def test_unknown_faults_are_refused(document):
    with pytest.raises(ValueError, match="a fault is"):
        Faults().add(document)
