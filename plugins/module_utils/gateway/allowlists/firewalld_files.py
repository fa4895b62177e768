# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""Pure: firewalld's permanent configuration, the files of an ipset and of a policy, and the same ones with ours in them.

firewall-cmd --permanent is not used for this: it empties the file and then writes it, and on a full disk its copy (``.old``)
is as empty as the original; nor does it run where firewalld does not. So entries go in and out as whole lines, in the form in
which firewalld writes them; the result is read again, and all else must be what it was. Comments and order stay as they are.

An Item is (Interval, port): the port of a rule of ours, 0 for an entry of an ipset.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from xml.etree import ElementTree

from ..errors import BadInput, CommandFailed
from . import prefixes

FOLDER = "/etc/firewalld"
MAIN = FOLDER + "/firewalld.conf"
SIZE_MOST = 4 * 1024 * 1024  # bytes; a set with 65,536 entries, firewalld's limit, has about 2 MB
FAMILIES = {"ipv4": 4, "ipv6": 6}
ENTRY = re.compile(r"[ \t]*<entry>([^<]*)</entry>[ \t]*\n?")
RULE = re.compile(
    r'[ \t]*<rule family="ipv[46]">\s*<destination address="([^"]*)"/>\s*<port port="(\d+)" protocol="tcp"/>\s*'
    r"<accept/>\s*</rule>[ \t]*\n?"
)
ENTRY_TEXT = "  <entry>{0}</entry>\n"
RULE_TEXT = """\
  <rule family="ipv{0}">
    <destination address="{1}"/>
    <port port="{2}" protocol="tcp"/>
    <accept/>
  </rule>
"""


class Stored(NamedTuple):
    """A file of the permanent configuration. ``options`` and ``kind`` are an ipset's, ``ingress`` a policy's zones."""

    path: str
    text: str
    items: frozenset
    rest: tuple  # all but the Items, as comparable text
    kind: str = ""
    options: dict = {}
    ingress: tuple = ()


def path_of(kind, name):
    """Of an ipset (kind ``ipsets``) or a policy (``policies``)."""
    return "{0}/{1}/{2}.xml".format(FOLDER, kind, name)


def parse(path, data):
    """A Stored; raises CommandFailed where firewalld would not have written such a file."""
    try:
        text = data.decode("utf-8")
        if len(data) > SIZE_MOST or "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise CommandFailed("{0} is too long or defines entities, so it is not read".format(path))
        root = ElementTree.fromstring(text)
    except (UnicodeDecodeError, ElementTree.ParseError) as exc:
        raise CommandFailed("{0} cannot be read: {1}".format(path, exc)) from exc
    found = [(_item(child), child) for child in root]
    return Stored(
        path=path,
        text=text,
        items=frozenset(item for item, _child in found if item),
        rest=(sorted(root.attrib.items()), *(_plain(child) for item, child in found if not item)),
        kind=root.get("type", ""),
        options={child.get("name"): child.get("value") for child in root if child.tag == "option"},
        ingress=tuple(child.get("name") for child in root if child.tag == "ingress-zone"),
    )


def _plain(child):
    return ElementTree.tostring(child, encoding="unicode").strip()


def _item(child):
    """None for what is neither an entry nor a rule of our form."""
    if child.tag == "entry":
        return _entry(child.text)
    parts = {part.tag: part.attrib for part in child}
    ours = {"destination": {"address"}, "port": {"port", "protocol"}, "accept": set()}
    if child.tag != "rule" or set(child.attrib) != {"family"} or len(child) != 3:
        return None
    if {tag: set(attributes) for tag, attributes in parts.items()} != ours or any(len(part) for part in child):
        return None
    port, found = parts["port"], _entry(parts["destination"]["address"])
    if (
        not found
        or port["protocol"] != "tcp"
        or not port["port"].isdigit()
        or FAMILIES.get(child.get("family")) != found[0].version
    ):
        return None
    return (found[0], int(port["port"]))


def _entry(text):
    """(Interval, 0) of an entry: an address, a prefix or a range of them; None for anything else, a pair with a port say."""
    try:
        first, last = [prefixes.parse(part) for part in ((text or "").strip().split("-") * 2)[:2]]
    except BadInput:
        return None
    return (first._replace(last=last.last), 0) if first.version == last.version else None


def edited(stored, gone, come):
    """The text of a Stored without the Items ``gone`` and with ``come``; raises CommandFailed where it cannot be done so."""
    text = ENTRY.sub(lambda match: "" if _entry(match.group(1)) in gone else match.group(0), stored.text)
    text = RULE.sub(lambda match: "" if _rule(match) in gone else match.group(0), text)
    head, closing, tail = text.rpartition("</")
    head = head.rstrip(" \t")
    if come and not head.endswith("\n"):
        head += "\n"
    text = head + "".join(map(text_of, sorted(come))) + closing + tail
    after = parse(stored.path, text.encode("utf-8"))
    if not closing or after.items != (stored.items - gone) | come or after.rest != stored.rest:
        raise CommandFailed("{0} is not as firewalld writes it, so it is not touched".format(stored.path))
    return text


def _rule(match):
    found = _entry(match.group(1))
    return (found[0], int(match.group(2))) if found else None


def text_of(item):
    interval, port = item
    (prefix,) = prefixes.prefixes_of(interval)
    return RULE_TEXT.format(interval.version, prefix, port) if port else ENTRY_TEXT.format(prefix)


__all__ = ("MAIN", "Stored", "edited", "parse", "path_of")
