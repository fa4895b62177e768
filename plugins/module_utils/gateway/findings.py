# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""What assess notices. An id is ``kind:where`` and the same on every gateway with the same defect, so that a campaign
can accept it once, with a reason. A blocker holds retire; warnings and infos only tell.
"""

from __future__ import annotations

import os

from . import files, java_sdk, pem
from .errors import BadInput
from .model import Finding

CA_FILE_MOST = 4 * 1024 * 1024  # bytes


def all_findings(desired, observed, now):
    """A sorted list of Findings; ``now`` is the gateway's clock."""
    found = anchor_findings(desired, observed, now) + ca_file_findings(desired) + java_sdk.findings()
    return sorted(found, key=lambda finding: finding.id)


def anchor_findings(desired, observed, now):
    """What lies in the system store or its source folders and should not: pins, expired roots, roots that are to go."""
    found = []
    for sha, der in observed.bundle.items():
        found += _anchor(desired.name_of(sha) or sha[:12], der, now, "is trusted as an anchor")
    for path in sorted(observed.sources):
        for der in pem.split(files.read(path, CA_FILE_MOST) or b""):
            sha = pem.fingerprint(der)
            if sha not in observed.bundle:  # else it was told above
                found += _anchor(desired.name_of(sha) or sha[:12], der, now, "lies in {0} as an anchor".format(path))
    for anchor in desired.absent:
        forms = observed.forms(anchor.sha256)
        if forms:
            detail = "{0} is still trusted: {1}".format(anchor.subject, ", ".join(forms))
            found.append(Finding("retired-anchor:" + anchor.name, "info", detail))
    return list(dict.fromkeys(found))


def _anchor(name, der, now, how):
    try:
        known = pem.facts(der)
    except BadInput:
        known = None
    if known is None:
        return [Finding("leaf-anchor:" + name, "warning", "a leaf certificate {0}: a pin".format(how))]
    if not known.self_signed:
        detail = "{0} is an intermediate and {1}: a pin that ends with it".format(known.subject, how)
        return [Finding("intermediate-anchor:" + name, "warning", detail)]
    if known.not_after < now:
        return [Finding("expired-anchor:" + name, "info", "{0} is expired and {1}".format(known.subject, how))]
    return []


def ca_file_findings(desired):
    """What the campaign's named CA files hold: programs that read them do not care for the system store."""
    return [finding for path in desired.ca_files for finding in _ca_file(path, desired)]


def _ca_file(path, desired):
    if os.path.exists(path) and not os.path.isfile(path):  # a pipe would never answer
        return [Finding("ca-file-unreadable:" + path, "blocker", "{0} is no regular file".format(path))]
    try:
        data = files.read(path, CA_FILE_MOST)
    except OSError as exc:
        return [Finding("ca-file-unreadable:" + path, "blocker", "{0}: {1}".format(path, exc.strerror))]
    if data is None:
        return [Finding("ca-file-missing:" + path, "warning", "{0} is named by the campaign and not there".format(path))]
    ders = pem.split(data)
    if not ders:
        return [Finding("ca-file-empty:" + path, "blocker", "{0} holds no certificate".format(path))]
    found = [_pin(path, der) for der in ders if _is_pin(der)]
    held = {pem.fingerprint(der) for der in ders}
    old = [anchor.name for anchor in desired.absent if anchor.sha256 in held]
    new = [anchor.name for anchor in desired.present if anchor.sha256 in held]
    if old and not new:
        detail = "{0} trusts {1} and none of the new roots; its program will fall off".format(path, ", ".join(old))
        found.append(Finding("ca-file-old-root-only:" + path, "blocker", detail))
    elif old:
        detail = "{0} still holds {1} beside {2}".format(path, ", ".join(old), ", ".join(new))
        found.append(Finding("ca-file-old-root:" + path, "info", detail))
    return found


def _is_pin(der):
    try:
        known = pem.facts(der)
    except BadInput:
        return False
    return known is None or not known.self_signed


def _pin(path, der):
    known = pem.facts(der)
    what = "a leaf certificate" if known is None else "the intermediate {0}".format(known.subject)
    return Finding("ca-file-pin:" + path, "blocker", "{0} pins {1}; it must trust roots".format(path, what))


__all__ = ("all_findings", "anchor_findings", "ca_file_findings")
