# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. A campaign's YAML file, read so that every complaint names file, key and line.

Neither PyYAML's loader nor jsonschema knows lines, so the text is composed to nodes first: a schema error's path is
walked down the nodes to the line where it stands.
"""

from __future__ import annotations

import json
from pathlib import Path

import yaml
from ansible.errors import AnsibleError

from .packages import missing

JSONSCHEMA_MISSING = ""
try:
    import jsonschema
except ImportError as exc:  # sanity imports this file without the collection's requirements
    JSONSCHEMA_MISSING = missing("jsonschema", exc)

SCHEMA = Path(__file__).resolve().parents[2] / "campaigns" / "campaign.schema.json"
BYTES_MOST = 1024 * 1024


class CampaignError(AnsibleError):
    """A campaign that cannot be used; the message names file, line, key and what to do."""


class _Loader(yaml.SafeLoader):
    """YAML 1.1 without its dates: a campaign's dates stay text until the schema has seen them."""


_Loader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class CampaignFile:
    """The document of one file, already checked against the schema, and where each of its keys stands."""

    def __init__(self, path: Path):
        self.path = path
        text = _read(path)
        try:
            root = yaml.compose(text, Loader=_Loader)
            self.document = yaml.load(text, Loader=_Loader)
        except yaml.YAMLError as exc:
            mark = getattr(exc, "problem_mark", None)
            where = f":{mark.line + 1}" if mark else ""
            raise CampaignError(f"{path}{where}: not YAML: {getattr(exc, 'problem', None) or exc}") from exc
        if root is None or not isinstance(self.document, dict):
            raise CampaignError(f"{path}: a campaign is a mapping with name, anchors and waves")
        self._root: yaml.Node = root
        self._refuse_twice(self._root)
        self._check_schema()

    def complain(self, keys, problem: str) -> CampaignError:
        """The error to raise for what stands at a path of keys, such as ("anchors", "present", 0, "sha256")."""
        name = ".".join(map(str, keys)) or "campaign"
        return CampaignError(f"{self.path}:{self.line(keys)}: {name}: {problem}")

    def line(self, keys) -> int:
        """The line of the deepest part of a path that the file has."""
        node, line = self._root, self._root.start_mark.line + 1
        for key in keys:
            found = _child(node, key)
            if found is None:
                break
            node, line = found
        return line

    def _check_schema(self) -> None:
        if JSONSCHEMA_MISSING:
            raise CampaignError(JSONSCHEMA_MISSING)
        kind = jsonschema.Draft202012Validator
        validator = kind(json.loads(SCHEMA.read_text("utf-8")), format_checker=kind.FORMAT_CHECKER)
        error = jsonschema.exceptions.best_match(validator.iter_errors(self.document))
        if error is None:
            return
        keys = list(error.absolute_path)
        if error.validator == "additionalProperties":
            unknown = sorted(set(error.instance) - set(error.schema["properties"]), key=str)[0]
            known = ", ".join(sorted(error.schema["properties"]))
            raise self.complain([*keys, unknown], f"unknown key; known here: {known}")
        if error.validator == "oneOf":
            raise self.complain(keys, "give either file or url")
        raise self.complain(keys, error.message[:500])

    def _refuse_twice(self, node) -> None:
        """A key that stands twice would silently win over the other one."""
        if isinstance(node, yaml.MappingNode):
            seen: dict[str, int] = {}
            for key, value in node.value:
                line = key.start_mark.line + 1
                if key.value in seen:
                    raise CampaignError(f"{self.path}:{line}: key {key.value} stands here and in line {seen[key.value]}")
                seen[key.value] = line
                self._refuse_twice(value)
        elif isinstance(node, yaml.SequenceNode):
            for value in node.value:
                self._refuse_twice(value)


def _read(path: Path) -> str:
    try:
        data = path.read_bytes()
        if len(data) > BYTES_MOST:
            raise CampaignError(f"{path}: longer than {BYTES_MOST} bytes; this is no campaign")
        return data.decode("utf-8")
    except OSError as exc:
        raise CampaignError(f"{path}: {exc.strerror}; name the campaign's file: -e rootwave_campaign=PATH") from exc
    except UnicodeDecodeError as exc:
        raise CampaignError(f"{path}: not UTF-8 text (byte {exc.start})") from exc


def _child(node, key):
    """(value node, line of the key) below a node, or None."""
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if name.value == str(key):
                return value, name.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        return node.value[key], node.value[key].start_mark.line + 1
    return None


__all__ = ("CampaignError", "CampaignFile")
