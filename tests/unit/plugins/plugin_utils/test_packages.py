# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A package is missing: every place that imports one says which, to which Python, and where it belongs in AWX.

Each has a twin: the same call with the package there goes past the import.
"""

from __future__ import annotations

import importlib.util
import sys

import pytest
from ansible_collections.rootwave.iot.plugins.plugin_utils import campaign_file, chain, packages, signing
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub import credentials, monitor, resources, rest, sdk
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub.credentials import SharedAccess
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub.errors import HubError
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub.names import CLOUDS, HubNames

CLOUD, HUB = CLOUDS["public"], HubNames.of("contoso.azure-devices.net")
ACCESS = SharedAccess.of("HostName=contoso.azure-devices.net;SharedAccessKeyName=service;SharedAccessKey=c2VjcmV0")
AUTHORITY = "https://login.microsoftonline.com"
IMPORTED_WHEN_USED = [
    ("azure.identity", "azure-identity", lambda: credentials.Entra(AUTHORITY)),
    ("azure.core", "azure-core", lambda: rest.RestClient(HUB.service, ACCESS, "", 5, "2021-04-12")),
    ("azure.iot.hub.auth", sdk.PACKAGES, lambda: sdk.SdkHub(HUB.service, ACCESS, "", 5)),
    ("azure.mgmt.iothub", resources.PACKAGES, lambda: resources.Resources(CLOUD, "subscription", 5)),
    ("cryptography", "cryptography", lambda: chain.describe(b"no certificate")),
    ("azure.monitor.query", "azure-monitor-query", lambda: monitor.Monitor(HUB, 5).connections("workspace", None, None, 1)),
]


@pytest.mark.parametrize("module, package, call", IMPORTED_WHEN_USED, ids=[row[0] for row in IMPORTED_WHEN_USED])
def test_imported_when_it_is_used(module, package, call, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)  # what import does not find
    with pytest.raises(HubError) as caught:
        call()
    assert str(caught.value).startswith(f"{package} cannot be imported by {sys.executable} (")
    assert f": pip install {package}" in str(caught.value)
    assert caught.value.advice == packages.WHERE


@pytest.mark.parametrize("module, package, call", IMPORTED_WHEN_USED[:5], ids=[row[0] for row in IMPORTED_WHEN_USED[:5]])
def test_twin_nothing_is_missing(module, package, call):
    """The sixth would ask Azure; that it gets so far, the tests of the hub show."""
    assert call() is not None


@pytest.mark.parametrize(
    "plugin, flag, module, package",
    [
        (campaign_file, "JSONSCHEMA_MISSING", "jsonschema", "jsonschema"),
        (signing, "LIBRARY_MISSING", "securesystemslib", "securesystemslib[crypto]"),
        (signing, "LIBRARY_MISSING", "cryptography.hazmat.primitives.asymmetric.ec", "securesystemslib[crypto]"),
    ],
)
def test_imported_with_the_plugin(plugin, flag, module, package, monkeypatch):
    """A copy of the plugin, for others hold the classes of the one that is loaded."""
    assert getattr(plugin, flag) == ""  # the twin: here all packages are
    monkeypatch.setitem(sys.modules, module, None)
    spec = importlib.util.spec_from_file_location(plugin.__name__ + "_again", plugin.__file__)
    again = importlib.util.module_from_spec(spec)
    again.__package__ = plugin.__package__
    spec.loader.exec_module(again)
    assert getattr(again, flag).startswith(f"{package} cannot be imported by {sys.executable} (")
    assert getattr(again, flag).endswith(packages.WHERE)


def test_brackets_are_quoted_for_the_shell():
    assert packages.not_there("securesystemslib[crypto]", ImportError("x")).endswith(": pip install 'securesystemslib[crypto]'")
