# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages that ``make docs`` makes: what they show, and that ``make lint`` sees one that is not as it should be."""

from __future__ import annotations

import re

import pytest

from tests import plugin_docs

OPTION = {"type": "list", "elements": "dict", "description": ["See M(rootwave.iot.hub_info), a|b, O(x[].y) and V(*)."]}
MODULE = {
    "doc": {
        "short_description": "Does it",
        "description": ["With <care> and under_scores."],
        "options": {
            "x": {**OPTION, "suboptions": {"y": {"type": "int", "default": 0, "description": "C(a|b)."}}},
            "a": {"required": True, "description": "First.", "choices": ["", "b"]},
        },
    },
    "examples": "\n- name: Do it\n  rootwave.iot.one:\n",
    "return": {"z": {"type": "dict", "description": "All.", "returned": "success", "sample": {"k": None}}},
}
ROLE = {
    "entry_points": {
        "main": {"short_description": "Plays", "options": {"r": {"description": "{{ R }}", "default": "{{ r | d({}) }}"}}}
    }
}
KNOWN = {"module": {"rootwave.iot.one": MODULE}, "role": {"rootwave.iot.two": ROLE}}


@pytest.fixture
def pages():
    return plugin_docs.make(KNOWN)


def test_a_module(pages):
    page = pages["one_module.md"]
    assert "# rootwave.iot.one (module)" in page and "With \\<care\\> and under\\_scores." in page
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert rows[0] == '| `a` | string<br>**required**<br>one of `""`, `b` | First. |'
    assert rows[1] == "| `x` | list of dictionary | See [rootwave.iot.hub_info](hub_info_module.md), a\\|b, `x[].y` and `*`. |"
    assert rows[2] == "| `x[].y` | integer<br>default `0` | `a\\|b`. |"
    assert rows[3] == '| `z` | dictionary | success | All.<br>such as `{"k": null}` |'
    assert "```yaml\n- name: Do it\n  rootwave.iot.one:\n```" in page


def test_a_role_and_the_index(pages):
    assert "| `r` | string<br>default `{{ r \\| d({}) }}` | {{ R }} |" in pages["two_role.md"]
    assert "[rootwave.iot.one](one_module.md): Does it" in pages["README.md"] and "(two_role.md): Plays" in pages["README.md"]


def test_what_is_stale(pages, tmp_path):
    folder = tmp_path / "plugins"
    assert plugin_docs.stale(pages, folder) == sorted(pages)
    plugin_docs.write(pages, folder)
    assert plugin_docs.stale(pages, folder) == []
    (folder / "gone_module.md").write_text("of a module that is no more")
    (folder / "one_module.md").write_text(pages["one_module.md"] + "by hand")
    (folder / "two_role.md").unlink()
    assert plugin_docs.stale(pages, folder) == ["gone_module.md", "one_module.md", "two_role.md"]
    plugin_docs.write(pages, folder)
    assert plugin_docs.stale(pages, folder) == []


def test_links_of_the_committed_pages():
    """Every page beside this one is there, and every one is in the index."""
    texts = {path.name: path.read_text() for path in plugin_docs.FOLDER.glob("*.md")}
    linked = {name: set(re.findall(r"\]\(([a-z_]+\.md)\)", text)) for name, text in texts.items()}
    assert linked["README.md"] == texts.keys() - {"README.md"}
    assert not [(name, link) for name, links in linked.items() for link in links - texts.keys()]
