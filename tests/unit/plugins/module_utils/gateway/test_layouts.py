# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which trust layout a gateway has, told by its paths; what no test has run against its tool is assess-only."""

from __future__ import annotations

import time

import pytest
from ansible_collections.rootwave.iot.plugins.module_utils.gateway import reconcile
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.errors import UnsupportedGateway
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.stores.layouts import LAYOUTS, layout_here
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.stores.system import ReadOnlyStore

from .certificates import BALTIMORE
from .debian_gateway import Gateway, wanted

MANAGED = {"debian", "rhel"}


def under(folder):
    return [layout._replace(marks=tuple(str(folder) + mark for mark in layout.marks)) for layout in LAYOUTS]


def make(folder, layout):
    for mark in layout.marks:
        path = folder / mark.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_text("")


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_each_is_told_from_the_others(tmp_path, layout):
    make(tmp_path, layout)
    assert layout_here(under(tmp_path)).name == layout.name
    assert layout.managed == (layout.name in MANAGED)


def test_none_and_two(tmp_path):
    with pytest.raises(UnsupportedGateway, match="no system trust store that Rootwave knows"):
        layout_here(under(tmp_path))
    for name in ("debian", "rhel"):
        make(tmp_path, next(layout for layout in LAYOUTS if layout.name == name))
    with pytest.raises(UnsupportedGateway, match=r"two system trust stores at once \(debian, rhel\)"):
        layout_here(under(tmp_path))


@pytest.mark.parametrize("name", sorted({layout.name for layout in LAYOUTS} - MANAGED))
def test_assess_only(tmp_path, name):
    bundle = tmp_path / "bundle.pem"
    bundle.write_text(BALTIMORE)
    anchors = tmp_path / "anchors"
    anchors.mkdir()
    row = next(layout for layout in LAYOUTS if layout.name == name)
    layout = row._replace(bundle=str(bundle), hashed="", anchors=str(anchors))
    gateway = Gateway(tmp_path)
    gateway.store = ReadOnlyStore(layout, str(tmp_path / "state"))
    report = reconcile.reconcile(gateway, wanted("assess"), time.time())
    assert report["stores"]["system"]["absent"] == {"baltimore": ["bundle"]}
    for phase in ("stage", "retire"):
        with pytest.raises(UnsupportedGateway, match="layout {0} is assess-only".format(name)):
            reconcile.reconcile(gateway, wanted(phase), time.time())
    assert bundle.read_text() == BALTIMORE
