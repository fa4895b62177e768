# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""One session with the hub, from CONNECT to its end: subscriptions first, then the twin, then what changes.

Desired changes are not queued for a device that is away, so a session subscribes before it asks for the twin, and passes over
notifications that the twin's answer already holds (azure-docs iot-hub-devguide-device-twins). A session is never repaired: when
it is lost, another one is made.
"""

from __future__ import annotations

import itertools
import json
import select
import time
from urllib.parse import parse_qs

from . import reported, transport
from .transport import NotConnected

RESULTS = "$iothub/twin/res/"
DESIRED = "$iothub/twin/PATCH/properties/desired/"
GET = "$iothub/twin/GET/?$rid={0}"
PATCH = "$iothub/twin/PATCH/properties/reported/?$rid={0}"
SECTION = "rootwave"
RENEW_BEFORE = 120.0  # seconds before a SAS token expires
# a ping that is a moment early would be none, for paho looks at its own clock
LATE = 0.05  # seconds


class Session:
    """``section`` is ``properties.desired.rootwave`` as far as it is known, ``answer`` ``properties.reported.rootwave``."""

    def __init__(self, config, context_of=transport.system_context):
        self._config = config
        self._client = transport.Client(config, context_of(config))
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        self._client.on_disconnect = self._on_disconnect
        self._rids = itertools.count(1)
        self._answers: dict = {}
        self._connack = self._suback = self._lost = None
        self._busy_at = time.monotonic()
        self._pong_by = None
        self._version = None  # of the desired properties
        self._early: list = []  # notifications from before the twin
        self.gap = False  # notifications were lost: refresh before the section is relied upon
        self.section: object = None
        self.answer: object = None
        self.renew_at = float("inf")

    def __enter__(self):
        try:
            self._open()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exc_info):
        self.close()

    def _open(self):
        config = self._config
        if config.key_file:
            self.renew_at = time.monotonic() + config.token_lifetime - min(RENEW_BEFORE, config.token_lifetime / 2)
        self._client.open(config.keep_alive)
        code = self._until(lambda: self._connack, "CONNACK")
        if code.is_failure:
            raise NotConnected(f"{config.hub} refuses {config.device}/{config.module}: {code}")
        self._client.subscribe([(RESULTS + "#", 1), (DESIRED + "#", 1)])
        codes = self._until(lambda: self._suback, "SUBACK")
        if any(code.is_failure for code in codes):
            raise NotConnected("the hub refuses the subscriptions")
        self.refresh()

    def refresh(self):
        """Read the whole twin; raises NotConnected. What changes meanwhile may arrive before the answer that lacks it."""
        self._version = None
        status, body = self._ask(GET, b" ")
        twin = _json(body)
        desired, answered = (twin.get(key) if isinstance(twin, dict) else None for key in ("desired", "reported"))
        if status != 200 or not isinstance(desired, dict):
            raise NotConnected(f"the hub answers the twin request with {status}")
        self.section = desired.get(SECTION)
        self.answer = answered.get(SECTION) if isinstance(answered, dict) else None
        self._version, self.gap = desired.get("$version"), False
        early, self._early = self._early, []
        for patch in early:
            self._apply(patch)

    def report(self, document):
        """Bring ``properties.reported.rootwave`` to a document; True once the hub has it, False when it declines for now."""
        patch = reported.difference(self.answer, document)
        if not patch:
            return True
        status, _body = self._ask(PATCH, json.dumps({SECTION: patch}, separators=(",", ":")).encode("utf-8"))
        if status != 204:
            return False
        self.answer = reported.merged(self.answer, patch)
        return True

    def wait(self, readers, until):
        """Until a message was dealt with, a reader is ready or it is ``until`` (monotonic); the ready readers.

        Raises NotConnected when the session is lost. Nothing wakes this but the network, a reader, and the keep-alive.
        """
        ready = self._turn(readers, until)
        if self._lost is not None:
            raise NotConnected(self._lost)
        return ready

    def close(self):
        """DISCONNECT and close, whatever state the connection is in."""
        self._client.on_disconnect = None
        try:
            self._client.disconnect()
            if self._client.want_write():
                self._client.loop_write()
        except (OSError, ValueError):
            self._lost = "it was gone already"
        self._client._sock_close()

    def _ask(self, topic, body):
        """(status, body) of the answer to a twin request."""
        rid = str(next(self._rids))
        self._client.publish(topic.format(rid), body, qos=0)
        return self._until(lambda: self._answers.pop(rid, None), "an answer about the twin")

    def _until(self, value_of, what):
        deadline = time.monotonic() + self._config.answer_within
        while True:
            value = value_of()
            if value is not None:
                return value
            if self._lost is not None:
                raise NotConnected(self._lost)
            if time.monotonic() >= deadline:
                raise NotConnected(f"no {what} within {self._config.answer_within:.0f} s")
            self._turn((), deadline)

    def _turn(self, readers, until):
        """One select, and what it brings."""
        sock = self._client.socket()
        if sock is None:
            self._lost = self._lost or "the connection is closed"
            return []
        due = self._pong_by or self._busy_at + self._config.keep_alive + LATE
        left = 0.0 if self._client.unread() else max(0.0, min(until, due) - time.monotonic())
        writers = [sock] if self._client.want_write() else []
        ready, writable, _errors = select.select([sock] + list(readers), writers, [], left)
        if writable:
            self._client.loop_write()
        if sock in ready or self._client.unread():
            self._pong_by = None
            self._client.read_all()
            self._busy_at = time.monotonic()
        elif time.monotonic() >= due:
            self._keep_alive()
        return [reader for reader in ready if reader is not sock]

    def _keep_alive(self):
        if self._pong_by:
            self._lost = "no answer to a ping; the connection is dead"
            return
        self._client.loop_misc()
        self._busy_at = time.monotonic()
        self._pong_by = self._busy_at + self._config.answer_within

    def _on_connect(self, _client, _userdata, _flags, code, _properties):
        self._connack = code

    def _on_subscribe(self, _client, _userdata, _mid, codes, _properties):
        self._suback = codes

    def _on_disconnect(self, _client, _userdata, _flags, code, _properties):
        self._lost = f"the connection is lost ({code})"

    def _on_message(self, _client, _userdata, message):
        topic, _mark, query = message.topic.partition("?")
        if topic.startswith(RESULTS):
            status = topic[len(RESULTS) :].strip("/")
            rid = parse_qs(query).get("$rid", [""])[0]
            self._answers = {rid: (int(status) if status.isdigit() else 0, message.payload)}
        elif topic.startswith(DESIRED):
            patch = _json(message.payload)
            if isinstance(patch, dict):
                self._early.append(patch) if self._version is None else self._apply(patch)

    def _apply(self, patch):
        """A notification: known already, the next one, or one too far, for others were lost."""
        version = patch.get("$version")
        if not isinstance(version, int) or not isinstance(self._version, int) or version <= self._version:
            return
        gap, self._version = version > self._version + 1, version
        if SECTION in patch:
            self.section = reported.merged({SECTION: self.section}, {SECTION: patch[SECTION]}).get(SECTION)
        self.gap = self.gap or gap


def _json(data):
    """A JSON document of somebody else's, or None for what is none."""
    try:
        return json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError):
        return None


__all__ = ("Session",)
