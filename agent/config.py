# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""What a device's agent is told once, by root: one JSON file, every field with its unit and default here."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, fields

from gateway.errors import BadInput

PATH = "/etc/rootwave/agent.json"
FILE_MOST = 64 * 1024  # bytes
# deviceId and moduleId (azure-docs iot-hub-devguide-identity-registry)
IDENTITY = re.compile(r"[A-Za-z0-9\-.%_*?!(),:=@$']{1,128}")
HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
PROXY = re.compile(r"http://(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9.-]{1,253}):[0-9]{1,5}")
WEBSOCKET_PORT = 443  # every other port speaks MQTT itself


@dataclass(frozen=True)
class Config:
    """fleet, hub and device have no default."""

    fleet: str  # whose orders this device takes; must be the fleet of keys.json
    hub: str  # the hub's host name, as the device's own connection string has it
    device: str  # deviceId
    module: str = "rootwave"  # moduleId of the agent's own identity
    front_end: str = "module"  # module: a connection of its own; inbox: the device's own application hands over
    key_file: str = ""  # the module identity's SAS key, base64; or, instead of it,
    certificate_file: str = ""  # an X.509 certificate chain, PEM, and
    certificate_key_file: str = ""  # its key, PEM without a passphrase
    port: int = 8883  # 443: MQTT over WebSocket
    proxy: str = ""  # http://host:port, for CONNECT; empty: none
    address: str = ""  # the name to connect to where it is not the hub's own, such as an IoT Edge parent's
    endpoints: tuple = ()  # {"host", "port", "role", "proxy"} each: what else must verify before and after a change
    keep_alive: int = 240  # seconds without traffic, then a ping; the hub cuts at 1.5 times that, and allows 1177
    token_lifetime: int = 86400  # seconds; a SAS token is renewed, by a new session, before it expires
    answer_within: float = 30.0  # seconds for CONNACK, SUBACK and the answer to a twin request, each
    retry_least: float = 5.0  # seconds before the second attempt to connect
    retry_most: float = 900.0  # seconds between attempts at most
    state_dir: str = "/var/lib/rootwave"  # the core's; its journal is not imported here, for memory's sake

    @property
    def host(self):
        """The name that is connected to, and that the hub's certificate must carry."""
        return self.address or self.hub

    @property
    def websocket(self):
        return self.port == WEBSOCKET_PORT

    @property
    def own_endpoints(self):
        """What this device adds to the endpoints of every order, as a desired document has them."""
        hub = {"host": self.host, "port": self.port, "role": "edge-parent" if self.address else "hub"}
        return [dict(hub, proxy=self.proxy or None)] + [dict(endpoint) for endpoint in self.endpoints]

    def path(self, *names):
        return os.path.join(self.state_dir, *names)


def load(path=PATH):
    """The Config of this device; raises BadInput that names the file and the field."""
    try:
        status = os.stat(path)
        with open(path, "rb") as stream:
            document = json.loads(stream.read(FILE_MOST).decode("utf-8"))
    except OSError as exc:
        raise BadInput(f"{path}: {exc.strerror}") from exc
    except (ValueError, RecursionError) as exc:
        raise BadInput(f"{path} is not JSON") from exc
    if status.st_uid not in (0, os.geteuid()) or status.st_mode & 0o022:
        raise BadInput(f"{path} must belong to root and be writable by nobody else")
    try:
        return from_document(document)
    except BadInput as exc:
        raise BadInput(f"{path}: {exc}") from exc


def from_document(document):
    if not isinstance(document, dict):
        raise BadInput("expected an object")
    known = {field.name: field for field in fields(Config)}
    for name, value in document.items():
        if name not in known:
            raise BadInput(f"unknown field {name!r}")
        kinds = {"str": str, "int": int, "float": (int, float), "tuple": list}[known[name].type]
        if not isinstance(value, kinds) or isinstance(value, bool):
            raise BadInput(f"{name!r} has the wrong type {type(value).__name__}")
    for name in ("fleet", "hub", "device"):
        if not document.get(name):
            raise BadInput(f"{name!r} is missing")
    config = Config(**dict(document, endpoints=tuple(document.get("endpoints", ()))))
    _check(config)
    return config


def _check(config):
    for name in ("device", "module"):
        if not IDENTITY.fullmatch(getattr(config, name)):
            raise BadInput(f"{name!r} is not an identity's name")
    for name in ("hub", "host"):
        if not HOST.fullmatch(getattr(config, name)):
            raise BadInput(f"{name!r} is not a host name")
    if config.proxy and not PROXY.fullmatch(config.proxy):
        raise BadInput("'proxy' must be http://host:port")
    for endpoint in config.endpoints:
        _check_endpoint(endpoint)
    if config.front_end not in ("module", "inbox"):
        raise BadInput("'front_end' is module or inbox")
    if config.front_end == "module" and bool(config.key_file) == bool(config.certificate_file):
        raise BadInput("either 'key_file' or 'certificate_file' with 'certificate_key_file'")
    bounds = {"port": (1, 65535), "keep_alive": (5, 1177), "token_lifetime": (300, 31536000), "answer_within": (1, 300)}
    bounds.update(retry_least=(0.05, 3600), retry_most=(max(0.05, config.retry_least), 86400))
    for name, (least, most) in bounds.items():
        if not least <= getattr(config, name) <= most:
            raise BadInput(f"{name!r} must be from {least} to {most}")


def _check_endpoint(endpoint):
    """Found now, by who installs, and not with the first order; the core checks it again, with what was signed."""
    if not isinstance(endpoint, dict) or not {"host", "port"} <= set(endpoint) <= {"host", "port", "role", "proxy"}:
        raise BadInput("'endpoints' has host and port, and may have role and proxy")
    if not isinstance(endpoint["host"], str) or not HOST.fullmatch(endpoint["host"]):
        raise BadInput("'endpoints' has a host that is no host name")
    if not isinstance(endpoint["port"], int) or isinstance(endpoint["port"], bool) or not 1 <= endpoint["port"] <= 65535:
        raise BadInput("'endpoints' has a port that is none")


__all__ = ("PATH", "Config", "from_document", "load")
