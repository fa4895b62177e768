# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jars that carry their own roots, however they are named or shaded."""

from __future__ import annotations

import os
import zipfile

import pytest
from ansible_collections.rootwave.iot.plugins.module_utils.gateway import java_sdk

CLASS = "com/microsoft/azure/sdk/iot/device/IotHubCertificateManager.class"
SHADED = "vendor/shaded/SecurityProvider.class"
POM = "META-INF/maven/com.microsoft.azure.sdk.iot/iot-device-client/pom.properties"
MANIFEST = "META-INF/MANIFEST.MF"
BALTIMORE, G2 = java_sdk.BALTIMORE, java_sdk.G2


def look(folder, name, members):
    with zipfile.ZipFile(str(folder / name), "w") as jar:
        for member, data in members.items():
            jar.writestr(member, data)
    return [finding.id.partition(":")[0] for finding in java_sdk.findings((str(folder),))]


@pytest.mark.parametrize(
    "name, members, expected",
    [
        ("iot-device-client-1.30.3.jar", {}, ["java-sdk-no-g2"]),
        ("iot-device-client-1.31.0.jar", {}, ["java-sdk-embedded-roots"]),
        ("iot-device-client-1.34.2-with-deps.jar", {}, ["java-sdk-embedded-roots"]),
        ("iot-device-client-2.0.0.jar", {}, []),
        ("app.jar", {}, []),
        ("app.jar", {POM: b"#\nversion=1.30.0\n"}, ["java-sdk-no-g2"]),
        ("app.jar", {POM: b"#\nversion=2.1.0\n"}, []),
        ("app.jar", {MANIFEST: b"Implementation-Title: iot-device-client\nImplementation-Version: 1.29\n"}, ["java-sdk-no-g2"]),
        ("app.jar", {MANIFEST: b"Implementation-Title: something-else\nImplementation-Version: 1.29\n"}, []),
        ("app.jar", {CLASS: b"..." + BALTIMORE + b"..."}, ["java-sdk-no-g2"]),
        ("app.jar", {SHADED: b"..." + BALTIMORE + b"..."}, ["java-sdk-no-g2"]),
        ("app.jar", {CLASS: b"..." + BALTIMORE + G2 + b"..."}, ["java-sdk-embedded-roots"]),
        ("app.jar", {CLASS: b"..." + G2 + b"..."}, ["java-sdk-embedded-roots"]),
        ("app.jar", {CLASS: b"no root in here"}, []),
        ("app.jar", {"Other.class": BALTIMORE}, []),
        ("boot.jar", {"BOOT-INF/lib/iot-device-client-1.30.1.jar": b""}, ["java-sdk-no-g2"]),
        ("web.war", {"WEB-INF/lib/iot-device-client-2.0.3.jar": b""}, []),
    ],
)
def test_jars(tmp_path, name, members, expected):
    assert look(tmp_path, name, members) == expected


def test_a_damaged_jar_counts_only_where_its_name_tells(tmp_path):
    for name in ("iot-device-client-1.30.3.jar", "app.jar"):
        (tmp_path / name).write_bytes(b"PK no zip")
    found = java_sdk.findings((str(tmp_path),))
    assert [(finding.id, finding.severity) for finding in found] == [
        ("java-jar-unreadable:" + str(tmp_path / "iot-device-client-1.30.3.jar"), "blocker")
    ]


def test_a_search_that_ran_out_of_time_says_so(tmp_path):
    look(tmp_path, "iot-device-client-1.30.3.jar", {})
    found = java_sdk.findings((str(tmp_path),), seconds=-1)
    assert [(finding.id, finding.severity) for finding in found] == [("java-scan-incomplete:jars", "blocker")]


def test_a_pipe_cannot_hold_a_run(tmp_path):
    os.mkfifo(str(tmp_path / "iot-device-client-1.30.3.jar"))
    assert java_sdk.findings((str(tmp_path),)) == []


def test_no_damage_is_a_traceback(tmp_path):
    """Each byte of a small jar turned over, and each length it can be cut to."""
    name = "iot-device-client-1.30.3.jar"
    look(tmp_path, name, {POM: b"version=1.30.0\n" * 8, CLASS: BALTIMORE})
    whole = (tmp_path / name).read_bytes()
    for place in range(0, len(whole), 3):
        for damaged in (whole[:place], whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]):
            (tmp_path / name).write_bytes(damaged)
            assert java_sdk.findings((str(tmp_path),)), "named like an old SDK, so there is always something to tell"
