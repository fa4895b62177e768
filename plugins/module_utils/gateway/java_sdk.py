# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""Azure IoT Java device SDK 1.x: programs that carry their own roots and never look at a trust store.

iot-device-client up to 1.30.3 embeds Baltimore and no DigiCert Global Root G2; 1.31 to 1.34 embed G2 only; 2.0 and later
use the JVM's store. Source: github.com/Azure/azure-iot-sdk-java, IotHubCertificateManager.java over its tags, and
upcoming_certificate_changes_readme.md. Shaded jars are found by the roots in their classes. The walk is bounded, and a bound
that was reached is a finding itself.
"""

from __future__ import annotations

import os
import re
import struct
import time
import zipfile
import zlib

from .model import Finding

PLACES = ("/opt", "/srv", "/usr/local", "/usr/share/java", "/var/lib", "/home", "/root")
SKIPPED = ("/var/lib/docker", "/var/lib/containers", "/var/lib/rootwave", "/var/lib/apt", "/var/lib/dpkg")
FILES_MOST = 200000
SECONDS_MOST = 20.0
MEMBERS_MOST = 20000
MEMBER_BYTES_MOST = 1024 * 1024
CLASSES = re.compile(r"(^|/)(IotHubCertificateManager|SecurityProvider)\.class$")
PROPERTIES = re.compile(r"^META-INF/maven/com\.microsoft\.azure\.sdk\.iot/(iot-device-client)/pom\.properties$")
JAR_NAME = re.compile(r"^iot-device-client-(\d+(?:\.\d+)*)[^/]*\.jar$")
VERSION = re.compile(rb"^version=(\d+(?:\.\d+)*)", re.M)
TITLE = re.compile(rb"^Implementation-Title:\s*iot-device-client", re.M | re.I)
MANIFEST_VERSION = re.compile(rb"^Implementation-Version:\s*(\d+(?:\.\d+)*)", re.M | re.I)
# The first characters of each root's PEM body, as a Java string constant holds it
BALTIMORE = b"MIIDdzCCAl+gAwIBAgIEAgAAuT"
G2 = b"MIIDjjCCAnagAwIBAgIQAzrx5qcRqaC7"
# What zipfile raises for damaged, encrypted or foreign archives
UNREADABLE = (OSError, EOFError, ValueError, struct.error, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError)
FIRST_WITH_G2 = (1, 31)
FIRST_WITHOUT_ROOTS = (2, 0)


def findings(places=PLACES, seconds=SECONDS_MOST):
    """Findings of every jar below ``places`` that carries roots of its own."""
    found: list[Finding] = []
    deadline = time.monotonic() + seconds
    for count, path in enumerate(_jars(places, deadline)):
        if path is None or count > FILES_MOST:
            detail = "the search for Java SDK jars ended at its limit; look for iot-device-client jars yourself, then accept this"
            return found + [Finding("java-scan-incomplete:jars", "blocker", detail)]
        found += _judge(path)
    return found


def _jars(places, deadline):
    """Paths of all jars, links not followed; None when time is up."""
    for place in places:
        for where, folders, names in os.walk(place):
            folders[:] = [name for name in sorted(folders) if os.path.join(where, name) not in SKIPPED]
            if time.monotonic() > deadline:
                yield None
                return
            for name in sorted(names):
                path = os.path.join(where, name)
                if name.endswith((".jar", ".war")) and os.path.isfile(path):  # a pipe would never answer
                    yield path


def _judge(path):
    try:
        version, roots = _look_into(path)
    except UNREADABLE as exc:
        named = JAR_NAME.match(os.path.basename(path))
        if not named:
            return []
        return [Finding("java-jar-unreadable:" + path, "blocker", "{0} cannot be read: {1}".format(path, exc))]
    if roots is None and version is None:
        return []
    if version is not None and version >= FIRST_WITHOUT_ROOTS and not roots:
        return []
    if roots is not None and BALTIMORE in roots and G2 not in roots or (not roots and version < FIRST_WITH_G2):
        detail = "{0} embeds roots without DigiCert Global Root G2; move the program to Java SDK 2 or later".format(path)
        return [Finding("java-sdk-no-g2:" + path, "blocker", detail)]
    detail = "{0} embeds its own roots and will not see the next one; move the program to Java SDK 2".format(path)
    return [Finding("java-sdk-embedded-roots:" + path, "warning", detail)]


def _look_into(path):
    """(version or None, set of embedded roots or None when no class that embeds them is in the jar)."""
    named = JAR_NAME.match(os.path.basename(path))
    version, roots = (_numbers(named.group(1)) if named else None), None
    with zipfile.ZipFile(path) as jar:
        for member in jar.infolist()[:MEMBERS_MOST]:
            inner = JAR_NAME.match(os.path.basename(member.filename))
            if inner:  # a jar in a jar: Spring Boot, web archives
                version = _numbers(inner.group(1))
            elif PROPERTIES.match(member.filename):
                match = VERSION.search(_read(jar, member))
                version = _numbers(match.group(1).decode()) if match else version
            elif member.filename == "META-INF/MANIFEST.MF" and version is None:
                text = _read(jar, member)
                match = MANIFEST_VERSION.search(text) if TITLE.search(text) else None
                version = _numbers(match.group(1).decode()) if match else version
            elif CLASSES.search(member.filename):
                text = _read(jar, member)
                present = {root for root in (BALTIMORE, G2) if root in text}
                if present:
                    roots = (roots or set()) | present
    return version, roots


def _read(jar, member):
    with jar.open(member) as stream:
        return stream.read(MEMBER_BYTES_MOST)


def _numbers(text):
    return tuple(int(part) for part in text.split("."))


__all__ = ("findings",)
