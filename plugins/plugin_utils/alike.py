# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. compose, groups and keyed_groups for a hundred thousand hosts, evaluated by Ansible's own code.

Ansible evaluates every entry for every host, about two milliseconds a host. Here each entry is evaluated once for all hosts
that are alike in what it reads (expression.py); what it did to the first of them is done to the others.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

from .expression import key_of, path_alone, paths_of, value_at

KNOWN_MOST = 50_000  # answers remembered for one entry


class Recorder:
    """Stands in for the inventory while one entry is evaluated for one host, and remembers what was done to that host."""

    def __init__(self, inventory, host: str) -> None:
        self._inventory, self._host = inventory, host
        self.done: list[tuple] = []  # (group or None, variable, value)

    def add_host(self, host: str, group: str | None = None, port: int | None = None) -> str:
        self.done.append((group, None, None))
        return self._inventory.add_host(host, group, port)

    def add_child(self, group: str, child: str) -> bool:
        if child == self._host:
            self.done.append((group, None, None))
        return self._inventory.add_child(group, child)

    def set_variable(self, host: str, name: str, value: Any) -> None:
        self._inventory.set_variable(host, name, value)
        self.done.append((None, name, self._inventory.hosts[host].vars[name]))  # as Ansible marks what comes from a plugin

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inventory, name)


class Entry:
    """One expression of the user's; ``ask(variables, host, strict)`` is Ansible's evaluation of it."""

    def __init__(self, ask: Callable, text: Any, alone: bool = True, variable: str | None = None) -> None:
        self.ask, self.variable = ask, variable
        self.paths = paths_of(text) if alone else None
        self.path = path_alone(text) if variable else None
        self.known: dict[tuple, list[tuple]] = {}


class Alike:
    """``plugin`` is an inventory plugin with Constructable's options."""

    def __init__(self, plugin) -> None:
        self._plugin, self._strict = plugin, plugin.get_option("strict")
        self._compose = [
            Entry(partial(plugin._set_composite_vars, {name: text}), text, variable=name)
            for name, text in (plugin.get_option("compose") or {}).items()
        ]
        self._groups = [
            Entry(partial(plugin._add_host_to_composed_groups, {name: text}), text)
            for name, text in (plugin.get_option("groups") or {}).items()
        ]
        for keyed in plugin.get_option("keyed_groups") or []:
            alone = "{" not in str(keyed.get("parent_group") or "")  # a template of its own
            self._groups.append(Entry(partial(plugin._add_host_to_keyed_groups, [keyed]), keyed.get("key"), alone))

    def place(self, host: str, joined: bool = False) -> None:
        """``host`` has its variables; ``joined``: it was there before, so it has others as well and is never like another."""
        inventory = self._plugin.inventory
        own = inventory.hosts[host].vars
        before = inventory.hosts[host].get_vars() if joined else dict(own)  # compose entries do not see each other's variables
        for entry in self._compose:
            self._evaluate(entry, host, before, joined)
        for entry in self._groups:
            self._evaluate(entry, host, own, joined)

    def _evaluate(self, entry: Entry, host: str, variables: dict, joined: bool) -> None:
        if joined or entry.paths is None:
            entry.ask(variables, host, self._strict)
            return
        if entry.path and self._plain(entry, host, variables):
            return
        key = key_of(variables, entry.paths)
        done = entry.known.get(key)
        if done is None:
            done = self._ask(entry, host, variables)
            if len(entry.known) < KNOWN_MOST:
                entry.known[key] = done
            return
        inventory = self._plugin.inventory
        for group, name, value in done:
            if name is None:
                inventory.add_host(host, group)
            else:
                inventory.hosts[host].vars[name] = copy.deepcopy(value) if isinstance(value, (dict, list)) else value

    def _plain(self, entry: Entry, host: str, variables: dict) -> bool:
        """A variable that is a text of the twin as it stands: there may be as many of them as hosts."""
        try:
            value = value_at(variables, entry.path or ())
        except KeyError:
            return False
        if not isinstance(value, str) or value[:1] in ("{", "[") or value in ("True", "False", "None"):
            return False  # older Ansible makes other types of these
        self._plugin.inventory.set_variable(host, entry.variable, value)
        return True

    def _ask(self, entry: Entry, host: str, variables: dict) -> list[tuple]:
        inventory = self._plugin.inventory
        recorder = self._plugin.inventory = Recorder(inventory, host)
        try:
            entry.ask(variables, host, self._strict)
        finally:
            self._plugin.inventory = inventory
        return recorder.done


__all__ = ("Alike",)
