# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""Where Linux distributions keep their system trust: one row each, told apart by paths, not by names.

A layout that no test has run against its real tool is assess-only: ``managed`` is False, and stage and retire
refuse it by name.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from ..errors import UnsupportedGateway


class Layout(NamedTuple):
    """Paths of one distribution family; an empty text means that it has no such place.

    A gateway has this layout when every path in ``marks`` exists. ``anchors`` is where local anchors go,
    ``bundle`` and ``hashed`` is what programs read, ``shipped`` is where the distribution's own roots lie.
    """

    name: str
    managed: bool
    marks: tuple
    anchors: str
    suffix: str
    tool: tuple
    bundle: str
    hashed: str = ""
    shipped: str = ""
    conf: str = ""
    hooks: str = ""
    blocklist: str = ""


LAYOUTS = (
    # update-ca-certificates(8) of Debian and Ubuntu
    Layout(
        name="debian",
        managed=True,
        marks=("/etc/debian_version", "/usr/sbin/update-ca-certificates", "/etc/ca-certificates.conf"),
        anchors="/usr/local/share/ca-certificates",
        suffix=".crt",
        tool=("update-ca-certificates",),
        bundle="/etc/ssl/certs/ca-certificates.crt",
        hashed="/etc/ssl/certs",
        shipped="/usr/share/ca-certificates",
        conf="/etc/ca-certificates.conf",
        hooks="/etc/ca-certificates/update.d",
    ),
    # update-ca-trust(8) of RHEL, Fedora and Amazon Linux, on p11-kit
    Layout(
        name="rhel",
        managed=True,
        marks=("/usr/bin/update-ca-trust", "/etc/pki/ca-trust/source/anchors"),
        anchors="/etc/pki/ca-trust/source/anchors",
        suffix=".pem",
        tool=("update-ca-trust", "extract"),
        bundle="/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
        shipped="/usr/share/pki/ca-trust-source",
        blocklist="/etc/pki/ca-trust/source/blocklist",
    ),
    # update-ca-certificates(8) of openSUSE and SLES, on p11-kit
    Layout(
        name="suse",
        managed=False,
        marks=("/usr/sbin/update-ca-certificates", "/etc/pki/trust/anchors"),
        anchors="/etc/pki/trust/anchors",
        suffix=".pem",
        tool=("update-ca-certificates",),
        bundle="/var/lib/ca-certificates/ca-bundle.pem",
        hashed="/var/lib/ca-certificates/openssl",
    ),
    Layout(
        name="alpine",
        managed=False,
        marks=("/etc/alpine-release", "/usr/sbin/update-ca-certificates"),
        anchors="/usr/local/share/ca-certificates",
        suffix=".crt",
        tool=("update-ca-certificates",),
        bundle="/etc/ssl/certs/ca-certificates.crt",
        hashed="/etc/ssl/certs",
    ),
    Layout(
        name="arch",
        managed=False,
        marks=("/usr/bin/update-ca-trust", "/etc/ca-certificates/trust-source/anchors"),
        anchors="/etc/ca-certificates/trust-source/anchors",
        suffix=".crt",
        tool=("update-ca-trust", "extract"),
        bundle="/etc/ca-certificates/extracted/tls-ca-bundle.pem",
        hashed="/etc/ssl/certs",
    ),
)


def layout_here(layouts=LAYOUTS):
    """The layout of this gateway; raises UnsupportedGateway for none, or for two at once."""
    found = [layout for layout in layouts if all(os.path.lexists(path) for path in layout.marks)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise UnsupportedGateway(
            "no system trust store that Rootwave knows ({0}); is ca-certificates installed?".format(
                ", ".join(layout.name for layout in layouts)
            )
        )
    raise UnsupportedGateway(
        "two system trust stores at once ({0}); which one programs read cannot be told, so nothing is changed".format(
            ", ".join(layout.name for layout in found)
        )
    )


__all__ = ("LAYOUTS", "Layout", "layout_here")
