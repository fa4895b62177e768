# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs agent/examples/inbox_application.py on a lab's device, by key or by certificate; its secrets stay out of argv.

A session that is lost ends the program: systemd starts it again, with a new TLS context and a new look at the twin.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from pathlib import Path

from azure.iot.device import X509, IoTHubDeviceClient
from inbox_application import Application


class Stop(threading.Event):
    """Set by a signal, or once the session that ``connect`` made last is lost."""

    client: IoTHubDeviceClient

    def __init__(self, settings: dict) -> None:
        super().__init__()
        self._settings = settings

    def connect(self) -> IoTHubDeviceClient:
        options = {"connection_retry": False, "websockets": self._settings["port"] == 443}
        if "certificate_file" in self._settings:
            x509 = X509(self._settings["certificate_file"], self._settings["certificate_key_file"])
            names = {"hostname": self._settings["hub"], "device_id": self._settings["device"]}
            self.client = IoTHubDeviceClient.create_from_x509_certificate(x509, **names, **options)
        else:
            self.client = IoTHubDeviceClient.create_from_symmetric_key(
                self._settings["key"], self._settings["hub"], self._settings["device"], **options
            )
        return self.client

    def wait(self, timeout=None) -> bool:
        return super().wait(timeout) or not self.client.connected


def main() -> None:
    stop = Stop(json.loads(Path(sys.argv[1]).read_text()))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_args: stop.set())
    Application(Path("/var/lib/rootwave"), stop.connect).run(stop)


if __name__ == "__main__":
    main()
