# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. Pure: which variables a Jinja expression reads, so that hosts alike in them need one evaluation.

Only what is known to depend on nothing else is understood; of any other expression nothing is claimed.
"""

from __future__ import annotations

import json
from typing import Any

from jinja2 import Environment, TemplateError, nodes

Path = tuple[str, ...]
# Differ between hosts without standing among a host's own variables
SPECIAL = {"vars", "hostvars", "groups", "group_names", "inventory_hostname", "inventory_hostname_short", "inventory_file"}
PURE_NODES = (
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Compare,
    nodes.Operand,
    nodes.CondExpr,
    nodes.Concat,
    nodes.Add,
    nodes.Sub,
    nodes.Mul,
    nodes.Div,
    nodes.FloorDiv,
    nodes.Mod,
    nodes.Neg,
    nodes.List,
    nodes.Tuple,
    nodes.Dict,
    nodes.Pair,
    nodes.Keyword,
    nodes.Slice,
)
FILTERS = """
    bool d default difference dict2items first float int intersect items2dict join last length list lower map max min
    regex_replace regex_search reject rejectattr replace round select selectattr sort split string title trim union unique upper
"""
TESTS = """
    boolean contains defined divisibleby eq equalto even false falsy ge gt in integer iterable le lower lt mapping match ne none
    number odd regex search sequence string subset superset true truthy undefined upper version
"""
METHODS = "endswith find get join keys lower lstrip replace rstrip split startswith strip title upper values"
PURE_FILTERS, PURE_TESTS, PURE_METHODS = (frozenset(words.split()) for words in (FILTERS, TESTS, METHODS))


def paths_of(text: Any) -> frozenset[Path] | None:
    """The longest constant paths, ("rootwave_tags", "site") for ``rootwave_tags.site``; None when it may read anything else."""
    if not isinstance(text, str):
        return None
    try:
        body = Environment(autoescape=False).parse("{{ (" + text + ") }}").body  # never rendered
    except TemplateError:
        return None
    if len(body) != 1 or not isinstance(body[0], nodes.Output) or len(body[0].nodes) != 1:
        return None
    found: set[Path] = set()
    return frozenset(found) if _walk(body[0].nodes[0], found) else None


def path_alone(text: Any) -> Path | None:
    """The path, when the expression is nothing but one."""
    found = paths_of(text) or frozenset()
    only = next(iter(found)) if len(found) == 1 else None
    return only if only and ".".join(only) == text.strip() else None


def key_of(variables: dict, paths: frozenset[Path]) -> tuple:
    """Equal for hosts that the expression with these paths cannot tell apart."""
    return tuple(_frozen(variables, path) for path in sorted(paths))


def value_at(variables: Any, path: Path) -> Any:
    """Raises KeyError."""
    for part in path:
        if not isinstance(variables, dict):
            raise KeyError(part)
        variables = variables[part]
    return variables


def _frozen(value: Any, path: Path) -> tuple:
    """The type belongs to it, since True equals 1 in Python."""
    for depth, part in enumerate(path):
        if not isinstance(value, dict) or hasattr(dict, part):
            break  # what an attribute of this is, only Jinja knows
        if part not in value:
            return (None, depth)
        value = value[part]
    return (type(value), json.dumps(value) if isinstance(value, (dict, list)) else value)


def _walk(node: nodes.Node, found: set[Path]) -> bool:
    path = _path(node)
    if path:
        found.add(path)
        return path[0] not in SPECIAL
    if isinstance(node, nodes.Const):
        return True
    if isinstance(node, nodes.Filter) and node.name not in PURE_FILTERS:
        return False
    if isinstance(node, nodes.Test) and node.name not in PURE_TESTS:
        return False
    if isinstance(node, nodes.Call):
        called = node.node
        if not isinstance(called, nodes.Getattr) or called.attr not in PURE_METHODS or node.dyn_args or node.dyn_kwargs:
            return False
        return all(_walk(child, found) for child in [called.node, *node.args, *node.kwargs])
    if not isinstance(node, (*PURE_NODES, nodes.Filter, nodes.Test, nodes.Getattr, nodes.Getitem)):
        return False
    return all(_walk(child, found) for child in node.iter_child_nodes())


def _path(node: nodes.Node) -> Path | None:
    parts: list[str] = []
    while isinstance(node, (nodes.Getattr, nodes.Getitem)):
        if isinstance(node, nodes.Getattr):
            parts.append(node.attr)
        elif isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
            parts.append(node.arg.value)
        else:
            return None
        node = node.node
    return (node.name, *reversed(parts)) if isinstance(node, nodes.Name) else None


__all__ = ("Path", "key_of", "path_alone", "paths_of", "value_at")
