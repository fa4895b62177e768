# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""Places in ufw: what stands against using them. ufw decides by the first rule that fits, and ours stand last.

An administrator's deny before them would win, so where one meets a prefix the change is refused; their own rules that let a
prefix through leave nothing to add.
"""

from __future__ import annotations

import glob
import os
import shutil

from .. import files
from ..errors import CommandFailed
from ..model import Blocker
from ..processes import PATH, run
from . import prefixes, ufw_files, ufw_rules
from .backends import Lasting

UNIT = "ufw.service"
ENABLED = "/etc/systemd/system/*.wants/" + UNIT
PARTS = ("before", "user", "after")  # the files that boot reads


def missing_tool(_places):
    """ufw, or the tool that tells what the kernel has of it, is not there."""
    for tool in ("ufw", *ufw_rules.SAVE.values(), *ufw_rules.RESTORE.values()):
        if not shutil.which(tool, path=PATH):
            return [
                Blocker("allowlist-tool", "{0} is not installed; install ufw, or name the place that filters here".format(tool))
            ]
    return []


def look(places):
    """({Place: State}, Blockers): files and kernel are listed once."""
    seen, blockers = {}, []
    try:
        found = ufw_rules.listing()
    except (CommandFailed, OSError) as exc:  # no root: what is asked of roots can be judged all the same
        unlike = isinstance(exc, CommandFailed) and "is not as ufw writes it" in str(exc)
        return {}, [Blocker("allowlist-ruleset" if unlike else "allowlist-tool", "{0}: {1}".format(places[0].label, exc))]
    for place in places:
        seen[place] = ufw_rules.read(place, found)
        blockers += _inactive(place, seen[place]) or _shadowed(place, seen[place])
    return seen, blockers


def _inactive(place, now):
    if now.found and ufw_rules.setting(ufw_rules.CONF, "ENABLED") == "yes" and now.alive == now.versions:
        return []
    missing = [version for version in now.versions if version not in now.alive]
    why = "its chains for IPv{0} are not in the kernel".format(missing[0]) if missing else "it is not enabled"
    message = "{0}: ufw is not active ({1}); run 'ufw enable', or name the place that filters here"
    return [Blocker("allowlist-tool", message.format(place.label, why))]


def _shadowed(place, now):
    """Rules of ours behind a deny that was put before them since."""
    for version in now.versions:
        against: list = []
        for rule in now.rules[version]:
            found = ufw_rules.first_meeting(against, rule.interval) if rule.ours else None
            if found:
                return [_shadow(place, prefixes.prefixes_of(rule.interval)[0], found)]
            if not rule.ours and rule.action != "allow" and rule.meets(now.ports):
                against.append(rule)
    return []


def _shadow(place, prefix, rule):
    message = (
        "{0}: {1} would not get through, for your rule '{2}' comes before it and ufw takes the first that fits; take that rule "
        "out, narrow it, or use 'ufw default deny' in its place"
    )
    return Blocker("allowlist-place", message.format(place.label, prefix, rule.text))


def before_change(_seen, _moved):
    """All that can be known is in the files, which ``look`` has read."""
    return []


def rehearse(moves):
    """Blockers of a deny before what is to come, of another ufw that does not end, and of what iptables-restore would refuse."""
    blockers = []
    for place, now, value in moves:
        if len(value["ports"]) > ufw_files.PORTS_MOST:
            message = "{0}: a rule of ufw takes {1} ports at most".format(place.label, ufw_files.PORTS_MOST)
            blockers.append(Blocker("allowlist-ruleset", message))
        else:
            blockers += _come_too_late(place, now, value)
    try:
        with ufw_rules.UfwLock():
            pass
    except CommandFailed as exc:
        blockers.append(Blocker("allowlist-tool", str(exc)))
    return blockers + _loads_not() if moves and not blockers else blockers


def _come_too_late(place, now, value):
    """What is new stands behind all rules that are there; so does what has other ports now."""
    own = set(now.own()) if list(now.ports) == value["ports"] else set()
    for version in now.versions:
        against = [rule for rule in now.rules[version] if not rule.ours and rule.action != "allow" and rule.meets(value["ports"])]
        for text in value["prefixes"] if against else ():
            interval = prefixes.parse(text)
            found = ufw_rules.first_meeting(against, interval) if interval.version == version and text not in own else None
            if found:
                return [_shadow(place, text, found)]
    return []


def _loads_not():
    """Files that boot would not take as they are: ufw loads the rest then, and nobody knows what that admits."""
    paths = [os.path.join("/etc/ufw", "{0}{1}.rules".format(part, six)) for six in ("", "6") for part in PARTS]
    for path in paths if ufw_rules.uses_ipv6() else paths[: len(PARTS)]:
        why = _refused(path)
        if why:
            return [Blocker("allowlist-ruleset", "{0} does not load as it is, so ufw is not touched: {1}".format(path, why))]
    return []


def holds(values):
    """Whether boot starts ufw, told without asking systemd; it loads the files, which a place's value is read from."""
    return not values or (ufw_rules.setting(ufw_rules.CONF, "ENABLED") == "yes" and bool(glob.glob(ENABLED)))


def lasting(values):
    """The tool itself writes the files that boot reads, so no edit is needed; but the service must be enabled."""
    try:
        run(["systemctl", "is-enabled", UNIT])
    except CommandFailed as exc:
        why = "what is admitted would be lost at the next boot: {0} is not enabled ({1}); run 'systemctl enable ufw'"
        return Lasting(blockers=(Blocker("allowlist-not-persistent", why.format(UNIT, exc)),))
    return Lasting(loads=ufw_rules.PATHS[4] if values else "")


def loads(path):
    """Why iptables-restore would not take a file at boot, or an empty text; with user.rules goes the file for IPv6."""
    return _refused(path) or (_refused(ufw_rules.PATHS[6]) if ufw_rules.uses_ipv6() else "")


def _refused(path):
    tool = ufw_rules.RESTORE[6 if path.endswith("6.rules") else 4]
    try:
        run([tool, "-w", ufw_rules.XTABLES_WAIT, "--noflush", "--test"], stdin=files.read(path) or b"", timeout=ufw_rules.TIMEOUT)
    except CommandFailed as exc:
        return str(exc)
    return ""


__all__ = ("before_change", "holds", "lasting", "loads", "look", "missing_tool", "rehearse")
