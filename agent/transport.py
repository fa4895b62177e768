# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""paho's MQTT client over a connection that the core makes: every stage with a time-out, trust by explicit paths.

Three of paho 2.1.0's own methods are overridden, ``_create_socket_connection``, ``_ssl_wrap_socket`` and ``_sock_recv``: it has
no other way to bring a proxy, a deadline for the handshake, a context that looks at no environment and a bound for what comes in.
The build pins that version.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ssl
import time
from urllib.parse import quote

from gateway import files
from gateway.errors import BadInput, ProxyRefused
from gateway.model import Endpoint, Timeouts, Trust
from gateway.probe import connect, context_for, peer_of, resolve, shake_hands
from gateway.stores.layouts import layout_here
from paho.mqtt import client as mqtt

from .version import VERSION

API_VERSION = "2021-04-12"
PACKET_MOST = 256 * 1024  # bytes; a twin has at most 72 KB, in JSON that may be escaped
WEBSOCKET_PATH = "/$iothub/websocket"
TIMEOUTS = Timeouts()


class NotConnected(Exception):
    """No connection, or none any more. ``untrusted``: the hub's certificate does not verify through this device's store."""

    def __init__(self, reason, untrusted=False):
        super().__init__(reason)
        self.untrusted = untrusted


def system_context(config):
    """What the device's programs trust, read anew for every session: after a change it is the changed store.

    Of a hashed directory OpenSSL reads what a chain needs, and that when it needs it; a bundle stays in memory as a whole.
    """
    layout = layout_here()
    form = Trust("hashed", capath=layout.hashed) if layout.hashed else Trust("bundle", cafile=layout.bundle)
    return context_for(form)


class Client(mqtt.Client):
    """paho without its loop: ``read_all`` and ``loop_write`` when select says so, ``ping_due`` for when it does not."""

    def __init__(self, config, context):
        super().__init__(
            mqtt.CallbackAPIVersion.VERSION2,
            client_id=config.device + "/" + config.module,
            clean_session=False,  # the hub keeps the subscriptions of a client that is away
            transport="websockets" if config.websocket else "tcp",
            reconnect_on_failure=False,
        )
        self.endpoint = Endpoint(config.host, config.port, proxy=config.proxy or None)
        self._context = context
        if config.certificate_file:
            context.load_cert_chain(config.certificate_file, config.certificate_key_file)
        self.username_pw_set(_username(config), _token(config) if config.key_file else None)
        self.tls_set_context(context)
        if config.websocket:
            self.ws_set_options(path=WEBSOCKET_PATH)

    def open(self, keep_alive):
        """TCP, proxy, TLS, and CONNECT on its way; raises NotConnected."""
        try:
            self.connect(self.endpoint.host, self.endpoint.port, keepalive=keep_alive)
        except ssl.SSLCertVerificationError as exc:
            reason = "the certificate of {0} is not trusted by this device's store ({1})"
            raise NotConnected(reason.format(self.endpoint.host, exc.verify_message), untrusted=True) from exc
        except (OSError, ProxyRefused) as exc:
            raise NotConnected(f"no connection to {self.endpoint.host}: {exc}") from exc

    def _create_socket_connection(self):
        name, port = peer_of(self.endpoint)
        last = OSError(f"{name} has no address")
        for family, sockaddr in resolve(name, port, TIMEOUTS.dns):
            try:
                stream = connect(self.endpoint, family, sockaddr, TIMEOUTS.tcp)
                secure = shake_hands(stream, self._context, self.endpoint.host, TIMEOUTS.tls)
            except (OSError, ProxyRefused) as exc:
                last = exc
                continue
            secure.settimeout(TIMEOUTS.tls)  # for the WebSocket's handshake; then paho unblocks it
            return secure
        raise last

    def _ssl_wrap_socket(self, tcp_sock):
        return tcp_sock

    def _sock_recv(self, bufsize):
        """MQTT allows packets of 256 MB, for which paho would take the memory."""
        if bufsize > PACKET_MOST:
            raise ConnectionError(f"a packet of {bufsize} bytes")
        return super()._sock_recv(bufsize)

    def read_all(self):
        """Everything that has arrived; select does not see what TLS or the WebSocket has read already."""
        while self._sock is not None:
            code = self._packet_read()
            if code == mqtt.MQTT_ERR_AGAIN:
                return
            if code > 0:
                self._loop_rc_handle(code)
                return

    def unread(self):
        return self._sock is not None and self._sock.pending() > 0


def _username(config):
    agent = quote("rootwave-agent/" + VERSION, safe="")
    return f"{config.hub}/{config.device}/{config.module}/?api-version={API_VERSION}&DeviceClientType={agent}"


def _token(config):
    """A shared access signature for the module identity (azure-docs iot-mqtt-connect-to-iot-hub)."""
    key = files.read(config.key_file, 4096)
    if key is None:
        raise BadInput(f"{config.key_file}: there is no such key file")
    resource = quote(f"{config.hub}/devices/{config.device}/modules/{config.module}", safe="")
    expiry = int(time.time()) + config.token_lifetime
    try:
        secret = base64.b64decode(key.strip(), validate=True)
    except ValueError as exc:
        raise BadInput(f"{config.key_file} is not a base64 key") from exc
    digest = hmac.new(secret, f"{resource}\n{expiry}".encode("ascii"), hashlib.sha256).digest()
    signature = quote(base64.b64encode(digest).decode("ascii"), safe="")
    return f"SharedAccessSignature sr={resource}&sig={signature}&se={expiry}"


__all__ = ("Client", "NotConnected", "system_context")
