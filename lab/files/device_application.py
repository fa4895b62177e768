# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs agent/examples/inbox_application.py on a lab's device, by key or by certificate; systemd starts it again when it ends."""

from __future__ import annotations

import json
import signal
import sys
import threading
from pathlib import Path

from azure.iot.device import X509, IoTHubDeviceClient
from inbox_application import Application


def connector(settings: dict):
    """Makes clients by the settings' key or certificate."""
    options = {"connection_retry": False, "websockets": settings["port"] == 443}

    def connect() -> IoTHubDeviceClient:
        if "certificate_file" in settings:
            x509 = X509(settings["certificate_file"], settings["certificate_key_file"])
            names = {"hostname": settings["hub"], "device_id": settings["device"]}
            return IoTHubDeviceClient.create_from_x509_certificate(x509, **names, **options)
        return IoTHubDeviceClient.create_from_symmetric_key(settings["key"], settings["hub"], settings["device"], **options)

    return connect


def main() -> None:
    connect, stop = connector(json.loads(Path(sys.argv[1]).read_text())), threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_args: stop.set())
    Application(Path("/var/lib/rootwave"), connect).run(stop)


if __name__ == "__main__":
    main()
