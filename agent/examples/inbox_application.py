# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""A device's own application that hands orders over to the agent's inbox and answers back: what to add to yours. Not packed.

    inbox_application.py CONNECTION_STRING_FILE [--state /var/lib/rootwave] [--ca FILE] [--proxy HOST:PORT]

Runs as any user of the inbox's group. Nothing here believes an order: the agent verifies it. The four steps are the functions.
A session that is lost ends the program: let systemd start it again (Restart=always), with a new TLS context and a new look at
the twin.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import threading
from pathlib import Path

from azure.iot.device import IoTHubDeviceClient, ProxyOptions

LOOK_AGAIN = 1.0  # seconds between looks into the outbox; use inotify where an application has it


class Application:
    """``connect()`` makes a client with a new TLS context, whatever its authentication is."""

    def __init__(self, state: Path, connect) -> None:
        self.inbox, self.outbox = state / "inbox", state / "outbox"
        self._connect = connect
        self._answered = self._confirmed = None
        self._changed = threading.Event()
        self._client = None

    def run(self, stop: threading.Event) -> None:
        self._open()
        try:
            while self._client.connected and not stop.wait(LOOK_AGAIN):
                if self._changed.is_set():
                    self._changed.clear()
                    self.bring_order()
                self.take_answer()
                self.reconnect()
        finally:
            self._client.shutdown()

    def bring_order(self) -> None:
        """The whole section as it stands now, also when it is empty: that withdraws what was ordered."""
        section = self._client.get_twin()["desired"].get("rootwave") or {}
        self._put("desired.json", section)

    def take_answer(self) -> None:
        answer = self._read("reported.json")
        if answer is not None and answer != self._answered:
            self._client.patch_twin_reported_properties({"rootwave": answer})
            self._answered = answer

    def reconnect(self) -> None:
        """A change waits for a session through the changed store. If none can be made, say nothing: it is taken back in time."""
        asked = self._read("reconnect.json")
        if asked is None or asked == self._confirmed:
            return
        self._client.shutdown()
        self._open()
        self._put("reconnected.json", {"change": asked["change"]})
        self._confirmed = asked

    def _open(self) -> None:
        self._client = self._connect()
        self._client.connect()
        self._client.on_twin_desired_properties_patch_received = self._on_patch
        self.bring_order()  # what was ordered while this was away; the twin's answer also proves the session

    def _on_patch(self, patch: dict) -> None:
        if "rootwave" in patch:
            self._changed.set()

    def _put(self, name: str, document) -> None:
        draft = self.inbox / f".{name}"
        draft.write_text(json.dumps(document))
        os.replace(draft, self.inbox / name)

    def _read(self, name: str):
        path = self.outbox / name
        return json.loads(path.read_text()) if path.exists() else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("connection_string", type=Path, help="the file that holds it; an argument could be read by everybody")
    parser.add_argument("--state", type=Path, default=Path("/var/lib/rootwave"))
    parser.add_argument("--ca", type=Path, help="instead of the system's store, which is the default and what Rootwave changes")
    parser.add_argument("--proxy")
    arguments = parser.parse_args()
    options = {"connection_retry": False}
    if arguments.proxy:
        host, _colon, port = arguments.proxy.partition(":")
        options["proxy_options"] = ProxyOptions("HTTP", host, int(port))

    connection_string = arguments.connection_string.read_text().strip()

    def connect() -> IoTHubDeviceClient:
        more = {"server_verification_cert": arguments.ca.read_text()} if arguments.ca else {}
        return IoTHubDeviceClient.create_from_connection_string(connection_string, **options, **more)

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_args: stop.set())
    Application(arguments.state, connect).run(stop)


if __name__ == "__main__":
    main()
