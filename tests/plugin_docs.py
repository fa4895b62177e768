# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/plugins from the documentation in the plugins and roles themselves, as Markdown that a git host shows.

``make docs`` writes the pages, ``make lint`` fails where they are not what this makes. ansible-doc reads, antsibull-docs-parser
translates the markup. antsibull-docs itself has RST only, with its tables as raw HTML, and refuses defaults of roles that are
templates.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from antsibull_docs_parser import dom
from antsibull_docs_parser.format import LinkProvider
from antsibull_docs_parser.md import MDFormatter, to_md
from antsibull_docs_parser.parser import Context, parse

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "plugins"
INDEX = "README.md"
COLLECTION = "rootwave.iot"
KINDS = {
    "module": "Modules",
    "inventory": "Inventory plugins",
    "lookup": "Lookup plugins",
    "filter": "Filters",
    "role": "Roles",
}
MADE = "<!-- Made by `make docs` from the plugins' own documentation; do not edit. -->\n\n"
TYPES = {"str": "string", "int": "integer", "bool": "boolean", "dict": "dictionary"}


class Formatter(MDFormatter):
    """Code in backticks, and only what Markdown would take for markup escaped: the pages are read as text too."""

    def format_text(self, part: dom.TextPart) -> str:
        return re.sub(r"([\\`*_<>\[\]])", r"\\\1", part.text)

    def format_code(self, part: dom.CodePart) -> str:
        return code(part.text)

    def format_env_variable(self, part: dom.EnvVariablePart) -> str:
        return code(part.name)

    def format_option_value(self, part: dom.OptionValuePart) -> str:
        return code(part.value)

    def format_option_name(self, part: dom.OptionNamePart, url: str | None) -> str:
        return code(part.name if part.value is None else f"{part.name}={part.value}")

    def format_return_value(self, part: dom.ReturnValuePart, url: str | None) -> str:
        return code(part.name if part.value is None else f"{part.name}={part.value}")

    def format_module(self, part: dom.ModulePart, url: str | None) -> str:
        return f"[{part.fqcn}]({url})"

    def format_plugin(self, part: dom.PluginPart, url: str | None) -> str:
        return f"[{part.plugin.fqcn}]({url})"

    def format_link(self, part: dom.LinkPart) -> str:
        return f"[{part.text}]({part.url})"

    def format_url(self, part: dom.URLPart) -> str:
        return f"<{part.url}>"


class Links(LinkProvider):
    """Our own plugins have a page beside this one, others have one at docs.ansible.com."""

    def plugin_link(self, plugin: dom.PluginIdentifier) -> str:
        if plugin.fqcn.startswith(COLLECTION + "."):
            return file_of(plugin.fqcn, plugin.type)
        namespace, collection, name = plugin.fqcn.split(".", 2)
        return f"https://docs.ansible.com/ansible/latest/collections/{namespace}/{collection}/{name}_{plugin.type}.html"


def file_of(fqcn: str, kind: str) -> str:
    return f"{fqcn.removeprefix(COLLECTION + '.')}_{kind}.md"


def code(text: object) -> str:
    """A span of code on one line."""
    words = (" ".join(text.split()) or '""') if isinstance(text, str) else json.dumps(text)
    return f"`` {words} ``" if "`" in words else f"`{words}`"


def prose(text: str | list[str] | None, separator: str = "\n\n") -> str:
    paragraphs = [text] if isinstance(text, str) else text or []
    return to_md(parse(paragraphs, Context()), Formatter(), Links(), par_sep=separator)


def table(*rows: tuple[str, ...]) -> str:
    """The first row is the head."""
    lines = [rows[0], ("---",) * len(rows[0]), *rows[1:]]
    cells = [[cell.strip().replace("|", "\\|") for cell in line] for line in lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in cells) + "\n"


def type_of(option: dict) -> str:
    kind = TYPES.get(option.get("type", "str"), option.get("type", "string"))
    return kind + (f" of {TYPES.get(option['elements'], option['elements'])}" if "elements" in option else "")


def options(given: dict, above: str = "") -> Iterator[tuple[str, ...]]:
    """(name, type, what) of each, suboptions below their option."""
    for name, option in sorted(given.items()):
        facts = [type_of(option)]
        if option.get("required"):
            facts.append("**required**")
        elif option.get("default") is not None:
            facts.append(f"default {code(option['default'])}")
        what = [prose(option["description"], "<br>")]
        if choices := option.get("choices"):
            facts.append("one of " + ", ".join(code(choice) for choice in choices))
        if isinstance(choices, dict):
            what += [f"{code(choice)}: {prose(words, '<br>')}" for choice, words in choices.items()]
        if option.get("aliases"):
            facts.append("alias " + ", ".join(code(alias) for alias in option["aliases"]))
        what += [f"environment: {code(one['name'])}" for one in option.get("env", [])]
        what += [f"ansible.cfg: {code('[{section}] {key}'.format(**one))}" for one in option.get("ini", [])]
        yield code(above + name), "<br>".join(facts), "<br>".join(what)
        inside = option.get("suboptions") or option.get("options") or {}
        yield from options(inside, above + name + ("[]." if option.get("type") == "list" else "."))


def returned(given: dict, above: str = "") -> Iterator[tuple[str, ...]]:
    for name, value in sorted(given.items()):
        what = prose(value["description"], "<br>")
        if "sample" in value:
            what += f"<br>such as {code(value['sample'])}"
        yield code(above + name), type_of(value), prose(value.get("returned", ""), "<br>"), what
        yield from returned(value.get("contains") or {}, above + name + ("[]." if value.get("type") == "list" else "."))


def section(title: str, body: str) -> str:
    return f"## {title}\n\n{body.rstrip()}\n\n" if body.strip() else ""


def bullets(items: list[str]) -> str:
    return "".join(f"- {item}\n" for item in items)


def seealso(item: dict) -> str:
    if "name" in item:
        return f"[{item['name']}]({item['link']}): {prose(item['description'], ' ')}"
    kind = item.get("plugin_type", "module")
    name = item.get("plugin") or item["module"]
    words = prose(item.get("description"), " ")
    return f"[{name}]({Links().plugin_link(dom.PluginIdentifier(name, kind))})" + (f": {words}" if words else "")


def plugin_page(fqcn: str, kind: str, entry: dict) -> str:
    doc, rows = entry["doc"], list(options(entry["doc"].get("options") or {}))
    if doc.get("positional"):
        names = ", ".join(code(name.strip()) for name in doc["positional"].split(","))
        before = f"By position: {names}.\n\n"
    else:
        before = ""
    supports = [
        (code(name), attribute["support"], prose([*_list(attribute["description"]), *_list(attribute.get("details"))], "<br>"))
        for name, attribute in sorted((doc.get("attributes") or {}).items())
    ]
    keys = list(returned(entry.get("return") or {}))
    return "".join(
        (
            f"{MADE}# {fqcn} ({kind})\n\n**{prose(doc['short_description'])}**\n\n{prose(doc['description'])}\n\n",
            f"New in {doc['version_added']}.\n\n" if "version_added" in doc else "",
            section("Needs", bullets([prose(one) for one in doc.get("requirements", [])])),
            section("Options", before + table(("option", "type", "what"), *rows) if rows else ""),
            section("Modes", table(("mode", "support", "what"), *supports) if supports else ""),
            section("Notes", bullets([prose(one, " ") for one in doc.get("notes", [])])),
            section("Examples", f"```yaml\n{entry['examples'].strip()}\n```" if entry.get("examples") else ""),
            section("Returns", table(("key", "type", "when", "what"), *keys) if keys else ""),
            section("See also", bullets([seealso(one) for one in doc.get("seealso", [])])),
        )
    )


def role_page(fqcn: str, entry: dict) -> str:
    name = fqcn.rpartition(".")[2]
    parts = [f"{MADE}# {fqcn} (role)\n\nIn its own words: [roles/{name}](../../roles/{name}/README.md).\n\n"]
    for point, doc in sorted(entry["entry_points"].items()):
        rows = table(("variable", "type", "what"), *options(doc.get("options") or {}))
        words = f"**{prose(doc['short_description'])}**\n\n{prose(doc.get('description'))}"
        parts.append(section(f"Entry point {code(point)}", f"{words}\n\n{rows}"))
    return "".join(parts)


def _list(text) -> list[str]:
    return [text] if isinstance(text, str) else list(text or [])


def short(kind: str, entry: dict) -> str:
    doc = entry["entry_points"]["main"] if kind == "role" else entry["doc"]
    return prose(doc["short_description"])


def make(known: dict) -> dict[str, str]:
    """{file name: text} of all pages; ``known`` is {kind: {fqcn: what ansible-doc says}}."""
    pages, index = {}, [f"{MADE}# Modules, plugins and roles\n\n"]
    for kind, title in KINDS.items():
        rows = []
        for fqcn, entry in sorted(known.get(kind, {}).items()):
            text = role_page(fqcn, entry) if kind == "role" else plugin_page(fqcn, kind, entry)
            pages[file_of(fqcn, kind)] = text.rstrip() + "\n"
            rows.append(f"[{fqcn}]({file_of(fqcn, kind)}): {short(kind, entry)}")
        index.append(section(title, bullets(rows)))
    return {**pages, INDEX: "".join(index).rstrip() + "\n"}


def known_to_ansible() -> dict:
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "playbooks" / "collections")}
    argv = [Path(sys.executable).with_name("ansible-doc"), "--metadata-dump", COLLECTION]
    return json.loads(subprocess.run(argv, check=True, capture_output=True, env=environment).stdout)["all"]


def stale(pages: dict[str, str], folder: Path) -> list[str]:
    """The names of pages that are not in the folder as they should be, or should not be there."""
    there = {path.name: path.read_text() for path in folder.glob("*.md")}
    return sorted(name for name in pages.keys() | there.keys() if pages.get(name) != there.get(name))


def write(pages: dict[str, str], folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name in stale(pages, folder):
        if name in pages:
            (folder / name).write_text(pages[name])
        else:
            (folder / name).unlink()


def main() -> int:
    pages = make(known_to_ansible())
    if "--check" not in sys.argv[1:]:
        write(pages, FOLDER)
    elif wrong := stale(pages, FOLDER):
        print(f"docs/plugins is not what the plugins say; run make docs: {', '.join(wrong)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
