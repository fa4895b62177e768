# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``rules.py remember`` writes down the ruleset; ``rules.py compare`` prints what differs since, as JSON {"ours", "theirs"}."""

from __future__ import annotations

import json
import subprocess
import sys

KEPT = "/run/rules.json"
MOVING = ("handle", "expires", "packets", "bytes", "elem")
OURS = "rootwave"


def look():
    """Texts of the ruleset's objects and of its sets' elements; numbers that move by themselves left out."""
    listed = json.loads(subprocess.run(["nft", "-j", "list", "ruleset"], check=True, stdout=subprocess.PIPE).stdout)
    found = []
    for item in listed["nftables"]:
        for kind, about in item.items():
            if kind != "metainfo":
                found.append(text([kind, about]))
                found += [text([about["name"], element]) for element in about.get("elem", ()) if kind == "set"]
    return found


def text(value):
    return json.dumps(still(value), sort_keys=True)


def still(value):
    if isinstance(value, dict):
        # an element is {"elem": {...}} where it has a counter, a comment or a timeout
        named = {key: still(one) for key, one in value.items() if key not in MOVING or (key == "elem" and "name" not in value)}
        return named
    return [still(one) for one in value] if isinstance(value, list) else value


if sys.argv[1] == "remember":
    with open(KEPT, "w") as stream:
        json.dump(look(), stream)
else:
    with open(KEPT) as stream:
        before = json.load(stream)
    now = look()
    changed = [one for one in now if one not in before] + [one for one in before if one not in now]
    kept = [one for one in now if one in before] == [one for one in before if one in now]
    ours = [one for one in changed if OURS in one]
    print(json.dumps({"ours": ours, "theirs": [one for one in changed if OURS not in one], "order_kept": kept}))
