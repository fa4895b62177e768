# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. Pure: the codes of a hub's connection log, in an operator's words.

Names: https://learn.microsoft.com/azure/iot-hub/troubleshoot-error-codes. None of them says that a device rejected the hub's
certificate: that handshake ends before the device has told who it is, so the hub has nothing to write down.
"""

from __future__ import annotations

from typing import NamedTuple


class Code(NamedTuple):
    name: str
    meaning: str


TAKEN_OVER, TOKEN_EXPIRED, CLOSED = 400027, 401003, 404104
CODES = {
    TAKEN_OVER: Code(
        "ConnectionForcefullyClosedOnNewConnection",
        "a newer connection of the same identity took over: a reconnect that the hub saw before the loss, or two clients that "
        "share one identity",
    ),
    400029: Code(
        "ConnectionForcefullyClosedOnFaultInjection",
        "the hub closed the connection for an upgrade of its own; the client may connect again at once",
    ),
    400030: Code(
        "ConnectionRejectedOnFaultInjection",
        "the hub turned the connection away during an upgrade of its own; the client has to try again",
    ),
    401002: Code("IotHubUnauthorizedAccess", "the policy or token that was shown has no right to this"),
    TOKEN_EXPIRED: Code(
        "IotHubUnauthorized",
        "the token or certificate was not accepted: a SAS token that ran out (then it comes back by itself), a wrong key, or a "
        "clock more than five minutes off; the device did accept the hub's certificate",
    ),
    403002: Code("IotHubQuotaExceeded", "the hub's daily quota of messages is used up; add units or wait for the next UTC day"),
    403012: Code("DeviceDisabled", "the identity is disabled at the hub"),
    404001: Code("DeviceNotFound", "this hub has no such device, or it is disabled"),
    404010: Code("ModuleNotFound", "this hub has no such module"),
    404103: Code("DeviceNotOnline", "the device was not connected, or does not listen to direct methods"),
    CLOSED: Code(
        "DeviceConnectionClosedRemotely",
        "the connection ended on the device's side: network lost, device or application stopped, or a SAS token renewed",
    ),
    409002: Code("LinkCreationConflict", "the client opened the same link twice; it should close the first one"),
    429001: Code("ThrottlingException", "the hub's quota is used up; spread reconnects or add units"),
    500001: Code("ServerError", "trouble inside the hub; see Azure's service health"),
    500008: Code("GenericTimeout", "the hub did not finish in time; see Azure's service health"),
    503001: Code("ServiceUnavailable", "the hub was busy or moving; see Azure's service health"),
}
BY_CLASS = {
    400: "the hub could not take what the client sent",
    401: "the client's identity was not accepted",
    403: "the hub forbids this; see quota and the identity's status",
    404: "the hub has no such identity, or it is not connected",
    409: "two requests were in each other's way",
    429: "the hub's quota is used up",
}


def explain(number: int | None) -> Code:
    """Never fails: of an unknown code it tells the class."""
    if number is None:
        return Code("", "the client said goodbye, or the hub gave no code")
    return CODES.get(number) or Code("", BY_CLASS.get(number // 1000, "trouble inside the hub; see Azure's service health"))


__all__ = ("CLOSED", "TAKEN_OVER", "TOKEN_EXPIRED", "Code", "explain")
