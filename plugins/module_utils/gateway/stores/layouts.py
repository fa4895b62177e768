# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""Where Linux distributions keep their system trust: one row each, told apart by paths, not by names.

A layout that no test has run against its real tool is assess-only: ``managed`` is False, and stage and retire
refuse it by name.
"""

from __future__ import annotations

from typing import NamedTuple


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

__all__ = ("LAYOUTS", "Layout")
