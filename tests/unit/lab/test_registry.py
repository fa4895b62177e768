# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from lab.hub.errors import HubError
from lab.hub.registry import Registry
from lab.hub.store import Store

HUB = "hub.azure-devices.net"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "hub.sqlite"


@pytest.fixture
def registry(path):
    return Registry(HUB, Store(path))


def refused(status: int, call, *arguments, **more) -> None:
    with pytest.raises(HubError) as caught:
        call(*arguments, **more)
    assert caught.value.status == status


def test_a_second_process_finds_everything(registry, path):
    registry.create("one", {"tags": {"site": "a"}})
    registry.create("one/rootwave", {})
    before = registry.patch_twin("one", {"site": "b"}, {"update": {"id": 1}})
    registry.report("one", {"phase": "stage"})
    registry.sessions.keep("one", ["$iothub/twin/res/#"])
    again = Registry(HUB, Store(path))
    assert again.twin_document("one")["tags"] == {"site": "b"}
    assert again.twin_document("one")["etag"] == before["etag"]
    assert again.twin_document("one")["properties"]["reported"]["phase"] == "stage"
    assert again.sessions.subscriptions("one") == ["$iothub/twin/res/#"]
    assert sorted(again.identities) == ["one", "one/rootwave"]
    assert again.create("two", {})["generationId"] != again.identity("one")["generationId"]


def test_etag_moves_with_the_services_changes_only(registry):
    registry.create("one", {})
    first = registry.twin_document("one")
    registry.report("one", {"a": 1})
    reported = registry.twin_document("one")
    assert reported["etag"] == first["etag"] and reported["version"] == first["version"] + 1
    assert registry.patch_twin("one", {"a": 1}, None)["etag"] != first["etag"]


def test_stale_etag_changes_nothing(registry):
    registry.create("one", {})
    stale = registry.twin_document("one")["etag"]
    registry.patch_twin("one", None, {"a": 1}, f'"{stale}"')
    refused(412, registry.patch_twin, "one", None, {"a": 2}, f'"{stale}"')
    assert registry.twin_document("one")["properties"]["desired"]["a"] == 1
    refused(400, registry.patch_twin, "one", None, {"a": 2}, "")


def test_refused_patch_changes_nothing(registry):
    registry.create("one", {"tags": {"keep": 1}})
    before = registry.twin_document("one")
    refused(400, registry.patch_twin, "one", {"keep": 2}, {"bad.name": 1})
    assert registry.twin_document("one") == before


def test_replace(registry):
    registry.create("one", {"tags": {"old": 1}})
    registry.patch_twin("one", None, {"gone": 1, "same": 1})
    replaced = registry.patch_twin("one", {"new": 1}, {"same": 1}, replace=True)
    assert replaced["tags"] == {"new": 1}
    desired = replaced["properties"]["desired"]
    assert {key for key in desired if not key.startswith("$")} == {"same"}
    assert "gone" not in desired["$metadata"]


def test_identities(registry):
    created = registry.create("one", {})
    refused(409, registry.create, "one", {})
    refused(404, registry.create, "nobody/module", {})
    refused(404, registry.update, "two", {}, "*")
    refused(412, registry.update, "one", {}, '"c3RhbGU="')
    assert registry.update("one", {"status": "disabled"}, f'"{created["etag"]}"')["status"] == "disabled"
    registry.create("one/module", {})
    refused(400, registry.delete, "one", "")
    registry.delete("one", "*")
    assert registry.identities == {} and registry.twins == {}
    refused(404, registry.twin, "one")


def test_messages_wait_up_to_fifty(registry):
    registry.create("one", {})
    for _each in range(50):
        registry.send("one", {"body": "x"})
    refused(403, registry.send, "one", {"body": "x"})
    registry.taken("one", registry.messages["one"][0]["id"])
    registry.send("one", {"body": "x"})


def test_index_sees_the_past(path):
    now = [100.0]
    registry = Registry(HUB, Store(path))
    registry.index._clock = lambda: now[0]
    registry.create("one", {"tags": {"n": 1}})
    registry.index.lag = 10.0
    registry.patch_twin("one", {"n": 2}, None)
    registry.create("two", {})
    now[0] += 5
    registry.patch_twin("one", {"n": 3}, None)
    registry.delete("two", "*")

    def seen():
        return {key: document["tags"].get("n") for key, document in registry.index.documents()}

    assert seen() == {"one": 1}
    now[0] += 6
    assert seen() == {"one": 2, "two": None}
    now[0] += 6
    assert seen() == {"one": 3}
    assert [key for key, _document in registry.index.documents(after="one")] == []
