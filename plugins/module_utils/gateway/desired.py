# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""Foreign JSON becomes a typed Desired here and nowhere else, by push and by pull alike.

The document is untrusted: sizes, types and names are checked before anything else looks at it. Its shape is
in docs/architecture.md.
"""

from __future__ import annotations

import datetime
import hashlib
import re

from . import pem
from .errors import BadInput
from .model import PHASES, ROLES, Anchor, Desired, Endpoint, Timeouts

ANCHORS_MOST = 32
ENDPOINTS_MOST = 64
PEM_MOST = 16 * 1024
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
PROXY = r"http://(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9.-]{1,253}):([0-9]{1,5})/?"  # compiled where there is one
SHA256 = re.compile(r"[0-9a-f]{64}")
DATE = r"([0-9]{4})-([0-9]{2})-([0-9]{2})"  # time.strptime would take two milliseconds to import
EPOCH = datetime.date(1970, 1, 1)
KEYS: dict = {
    "schema": int,
    "campaign": str,
    "digest": str,
    "phase": str,
    "undo": (str, type(None)),
    "present": list,
    "absent": list,
    "endpoints": list,
    "clouds": list,
    "safe_after": (dict, type(None)),
    "accept": list,
    "ca_files": list,
    "timeouts": dict,
    "confirm": str,
    "confirm_within": int,
    "allowlist": (dict, type(None)),
}
REQUIRED = ("schema", "campaign", "digest", "phase", "present", "absent", "endpoints")


def from_document(document):
    """A Desired from its JSON document; raises BadInput that names the key."""
    _check_keys(document)
    asked = [_checked(item, side) for side in ("present", "absent") for item in document[side]]
    anchors = tuple(map(_anchor, asked, pem.roots([("anchor " + item["name"], item["pem"]) for item in asked])))
    present, absent = anchors[: len(document["present"])], anchors[len(document["present"]) :]
    both = sorted({anchor.sha256 for anchor in present} & {anchor.sha256 for anchor in absent})
    if both:
        raise BadInput("desired: anchor {0} is both present and absent".format(both[0]))
    names = [anchor.name for anchor in present + absent]
    if len(set(names)) != len(names):
        raise BadInput("desired: two anchors have one name")
    safe_after = document.get("safe_after") or {}
    return Desired(
        campaign=document["campaign"],
        digest=document["digest"],
        phase=document["phase"],
        undo=document.get("undo"),
        present=present,
        absent=absent,
        endpoints=tuple(_endpoint(item) for item in document["endpoints"]),
        clouds=tuple(_text(item, "clouds") for item in document.get("clouds", ["public"])),
        safe_after=_date(safe_after.get("date")),
        safe_after_source=_text(safe_after.get("source", ""), "safe_after.source"),
        accept=tuple(_accepted(item) for item in document.get("accept", ())),
        ca_files=tuple(_path(item) for item in document.get("ca_files", ())),
        timeouts=_timeouts(document.get("timeouts", {})),
        confirm=_one_of(document.get("confirm", "auto"), ("auto", "required"), "confirm"),
        confirm_within=_between(document.get("confirm_within", 300), 10, 86400, "confirm_within"),
        allowlist=_allowlist(document.get("allowlist")),
    )


def gate_token(digest, phase, wave):
    """What a gate hands out for one wave; an interlock against a run that went round its gate, not a secret."""
    return hashlib.sha256("rootwave-gate\n{0}\n{1}\n{2}\n".format(digest, phase, wave).encode("utf-8")).hexdigest()


def _check_keys(document):
    if not isinstance(document, dict):
        raise BadInput("desired: expected an object")
    for key in sorted(set(document) - set(KEYS)):
        raise BadInput("desired: unknown key {0!r}".format(key))
    for key in REQUIRED:
        if key not in document:
            raise BadInput("desired: key {0!r} is missing".format(key))
    for key, value in document.items():
        if not isinstance(value, KEYS[key]):
            raise BadInput("desired: {0!r} has the wrong type {1}".format(key, type(value).__name__))
    if document["schema"] != 1:
        raise BadInput("desired: schema {0} is not known here; update Rootwave".format(document["schema"]))
    _one_of(document["phase"], PHASES, "phase")
    _one_of(document.get("undo"), ("stage", "retire") if document["phase"] == "revert" else (None,), "undo")
    if not NAME.fullmatch(document["campaign"]):
        raise BadInput("desired: campaign {0!r} is not a name".format(document["campaign"]))
    if not SHA256.fullmatch(document["digest"]):
        raise BadInput("desired: digest is not a SHA-256")
    for key, most in (("present", ANCHORS_MOST), ("absent", ANCHORS_MOST), ("endpoints", ENDPOINTS_MOST)):
        if len(document[key]) > most:
            raise BadInput("desired: more than {0} items in {1!r}".format(most, key))
    if document["phase"] != "assess" and not document["endpoints"]:
        raise BadInput("desired: no endpoints; without them nothing can be proved (campaign or rootwave_endpoints)")


def _checked(item, where):
    """An anchor's JSON, its shape checked."""
    if not isinstance(item, dict) or set(item) != {"name", "sha256", "pem"}:
        raise BadInput("desired: {0} needs name, sha256 and pem for each anchor".format(where))
    name, text = _text(item["name"], where), item["pem"]
    if not NAME.fullmatch(name):
        raise BadInput("desired: {0}: {1!r} is not a name (a-z, 0-9, -)".format(where, name))
    if not isinstance(text, str) or len(text) > PEM_MOST:
        raise BadInput("desired: {0}: the PEM of {1} is missing or too long".format(where, name))
    return item


def _anchor(item, root):
    der, subject = root
    found = pem.fingerprint(der)
    if found != item["sha256"]:
        raise BadInput("anchor {0}: its SHA-256 is {1}, the campaign says {2}".format(item["name"], found, item["sha256"]))
    return Anchor(sha256=found, name=item["name"], subject=subject, pem=pem.encode(der))


def _endpoint(item):
    if not isinstance(item, dict) or not {"host", "port"} <= set(item) <= {"host", "port", "role", "proxy"}:
        raise BadInput("desired: an endpoint has host, port, role and proxy")
    host, proxy = _text(item["host"], "endpoints.host"), item.get("proxy")
    if not HOST.fullmatch(host):
        raise BadInput("desired: endpoint {0!r} is not a host name".format(host))
    if proxy is not None and not re.fullmatch(PROXY, _text(proxy, "endpoints.proxy")):
        raise BadInput("desired: proxy of {0} must be http://host:port".format(host))
    role = _one_of(item.get("role", "hub"), ROLES, "endpoints.role")
    return Endpoint(host.lower(), _port(item["port"]), role, proxy)


def _allowlist(item):
    if item is None:
        return None
    from .allowlists import document  # on a gateway every import is compiled anew

    return document.from_document(item)


def _accepted(item):
    if not isinstance(item, dict):
        raise BadInput("desired: accept holds objects with finding and reason")
    return _text(item.get("finding"), "accept.finding")


def _port(value):
    if not isinstance(value, int):
        raise BadInput("desired: endpoints.port must be a whole number")
    return _between(value, 1, 65535, "endpoints.port")


def _timeouts(item):
    if not set(item) <= {"dns", "tcp", "tls"}:
        raise BadInput("desired: timeouts are dns, tcp and tls")
    return Timeouts(**{key: float(_between(value, 1, 120, "timeouts." + key)) for key, value in item.items()})


def _text(value, where):
    if not isinstance(value, str) or len(value) > 2000:
        raise BadInput("desired: {0} must be text".format(where))
    return value


def _path(value):
    if not _text(value, "ca_files").startswith("/"):
        raise BadInput("desired: ca_files: {0!r} is not an absolute path".format(value))
    return value


def _one_of(value, words, where):
    if value not in words:
        raise BadInput("desired: {0} is {1!r}, not one of {2}".format(where, value, ", ".join(map(str, words))))
    return value


def _between(value, least, most, where):
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
        raise BadInput("desired: {0} must be a number from {1} to {2}".format(where, least, most))
    return value


def _date(value):
    """Epoch seconds at the start of a day (UTC); None stays None."""
    if value is None:
        return None
    try:
        found = re.fullmatch(DATE, value)
        if not found:
            raise ValueError(value)
        return (datetime.date(*map(int, found.groups())) - EPOCH).days * 86400
    except (TypeError, ValueError) as exc:
        raise BadInput("desired: safe_after.date {0!r} is not a date like 2024-09-30".format(value)) from exc


__all__ = ("from_document", "gate_token")
