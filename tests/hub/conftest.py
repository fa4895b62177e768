# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from tests.hub.lab_hub import LabHub


@pytest.fixture(scope="session")
def running_hub(tmp_path_factory):
    """Several hubs, DPS, login, ARM, logs, metrics behind a CONNECT proxy: one process for the whole session."""
    hub = LabHub(tmp_path_factory.mktemp("hub"))
    hub.rewrite(lambda config: config["hubs"][0].update(units=20))  # tests must not wait for each other's quota
    hub.start()
    yield hub
    hub.stop()


@pytest.fixture
def hub(running_hub):
    """The same without the faults of another test; devices of other tests stay, so name your own."""
    running_hub.clear()
    yield running_hub
    running_hub.clear()


@pytest.fixture
def azure(hub, monkeypatch):
    """This process's environment as an operator's shell on the lab: the SDKs run with their default endpoints."""
    for name, value in hub.environment.items():
        monkeypatch.setenv(name, value)
    for name in ("https_proxy", "http_proxy", "no_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return hub
