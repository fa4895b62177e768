# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evaluating once for hosts that are alike gives the inventory that evaluating for every host gives."""

from __future__ import annotations

import itertools
import re

import pytest
from ansible.errors import AnsibleError
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.inventory import BaseInventoryPlugin, Constructable
from ansible_collections.rootwave.iot.plugins.plugin_utils import alike as alike_module
from ansible_collections.rootwave.iot.plugins.plugin_utils.alike import Alike
from ansible_collections.rootwave.iot.plugins.plugin_utils.expression import key_of, path_alone, paths_of

try:
    from ansible.template import trust_as_template as trusted
except ImportError:  # before 2.19 every text is a template

    def trusted(value):
        return value


VALUES = [True, 1, 1.0, "1", "True", "oslo", "", None, [1], [True], {"items": 1}, {"a": {"b": "deep"}}, "{{ 1 }}", "[1]"]
OPTIONS = {
    "compose": {
        "plain": "tags.site",
        "quoted": "tags['site']",
        "whole": "tags",
        "deep": "tags.site.a.b",
        "method": "tags.site.items",
        "joined": "tags.site ~ '-' ~ tags.kind | default('none')",
        "name": "inventory_hostname",
        "called": "tags.site.startswith('o')",
    },
    "groups": {
        "true_ones": "tags.site is sameas true",
        "north": "tags.site == 'oslo'",
        "also_north": "tags.site == 'oslo' and plain is defined",
        "same": "tags.kind is defined",
        "numbered": "inventory_hostname.endswith('1')",
        "always": "true",
    },
    "keyed_groups": [
        {"key": "tags.site | default('') | string", "prefix": "site"},
        {"key": "tags.kind", "prefix": "", "separator": "", "parent_group": "kinds"},
        {"key": "tags", "prefix": "tag"},
        {"key": "plain | default('') | string", "prefix": "by", "parent_group": "{{ tags.kind | default('none') }}"},
    ],
}


class Plugin(BaseInventoryPlugin, Constructable):
    NAME = "test"
    _options_of_test: dict = {}

    def get_option(self, option, hostvars=None):
        return {"strict": False, "leading_separator": True, "use_extra_vars": False, **self._options_of_test}.get(option)


def all_trusted(value):
    """As if it had been read from the user's file."""
    if isinstance(value, dict):
        return {key: all_trusted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [all_trusted(item) for item in value]
    return trusted(value) if isinstance(value, str) else value


def inventory_of(hosts: dict, options: dict) -> dict:
    plugin = Plugin()
    plugin._options_of_test = all_trusted(options)
    plugin.parse(InventoryData(), DataLoader(), "test")
    alike = Alike(plugin)
    for name, variables in hosts.items():
        plugin.inventory.add_host(name)
        for variable, value in variables.items():
            plugin.inventory.set_variable(name, variable, value)
        alike.place(name)
    plugin.inventory.reconcile_inventory()
    hosts_now = {name: (dict(host.vars), sorted(map(str, host.groups))) for name, host in plugin.inventory.hosts.items()}
    parents = {name: sorted(map(str, group.parent_groups)) for name, group in plugin.inventory.groups.items()}
    # before 2.19 a method that is not called is its text, with an address
    texts = {name: re.sub("at 0x[0-9a-f]+", "", repr(found)) for name, found in hosts_now.items()}
    return {"hosts": texts, "parents": parents}


def hosts() -> dict:
    pairs = itertools.product(VALUES, (None, "pump", "valve"))
    tags = [{"site": site, **({"kind": kind} if kind else {})} for site, kind in pairs] + [{}]
    return {f"host-{number}": {"tags": value} for number, value in enumerate([*tags, *tags])}


def test_like_ansible(monkeypatch):
    fast = inventory_of(hosts(), OPTIONS)
    monkeypatch.setattr(alike_module, "paths_of", lambda _text: None)
    slow = inventory_of(hosts(), OPTIONS)
    assert fast == slow
    assert "north" in str(slow["hosts"]) and slow["parents"]["pump"] != slow["parents"]["site_oslo"]


def test_asked_once_for_all_that_are_alike(monkeypatch):
    asked = []
    real = Plugin._add_host_to_composed_groups
    monkeypatch.setattr(Plugin, "_add_host_to_composed_groups", lambda *all_, **more: asked.append(1) or real(*all_, **more))
    same = {f"host-{number}": {"tags": {"site": "oslo"}} for number in range(100)}
    inventory_of(same, {"groups": {"north": "tags.site == 'oslo'"}})
    assert len(asked) == 1
    inventory_of(same, {"groups": {"north": "inventory_hostname == 'host-1'"}})
    assert len(asked) == 101


def test_strict():
    with pytest.raises(AnsibleError, match=r"Could not set deep for host host-0"):
        inventory_of(hosts(), {**OPTIONS, "strict": True})


@pytest.mark.parametrize(
    "text, paths",
    [
        ("a.b", {("a", "b")}),
        ("a['b'].c == 'x' and d is defined", {("a", "b", "c"), ("d",)}),
        ("a.b | default('x') | upper", {("a", "b")}),
        ("a.startswith('x')", {("a",)}),
        ("a[b]", {("a",), ("b",)}),
        ("'text'", set()),
        ("inventory_hostname", None),
        ("a | random", None),
        ("lookup('env', 'HOME')", None),
        ("now()", None),
        ("a }} {{ b", None),
        ("a is nonsense(", None),
        (1, None),
    ],
)
def test_paths(text, paths):
    assert paths_of(text) == paths


def test_path_alone():
    assert path_alone("a.b") == ("a", "b")
    assert path_alone("a.b | upper") is None and path_alone("a.b ~ c") is None


def test_keys_tell_types_apart():
    paths = frozenset({("a", "b")})
    keys = [key_of({"a": {"b": value}}, paths) for value in VALUES] + [key_of({"a": {}}, paths), key_of({}, paths)]
    assert all((left == right) is (one == other) for one, left in enumerate(keys) for other, right in enumerate(keys))
