# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``tree.py remember`` writes down /etc and /usr; ``tree.py compare`` prints the paths that differ since, as JSON."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys

KEPT = "/run/tree.json"


def look():
    seen = {}
    for top in ("/etc", "/usr"):
        for folder, folders, names in os.walk(top):
            for name in folders + names:
                path = os.path.join(folder, name)
                seen[path] = describe(path)
    return seen


def describe(path):
    about = os.lstat(path)
    what = [stat.filemode(about.st_mode), about.st_uid, about.st_gid]
    if stat.S_ISLNK(about.st_mode):
        return what + [os.readlink(path)]
    if stat.S_ISREG(about.st_mode):
        with open(path, "rb") as stream:
            return what + [hashlib.sha256(stream.read()).hexdigest()]
    return what


if sys.argv[1] == "remember":
    with open(KEPT, "w") as stream:
        json.dump(look(), stream)
else:
    with open(KEPT) as stream:
        before = json.load(stream)
    now = json.loads(json.dumps(look()))
    print(json.dumps(sorted(path for path in set(before) | set(now) if before.get(path) != now.get(path))))
