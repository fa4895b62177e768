# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One error for REST, MQTT and the hub's own log: HTTP status, IoT Hub's error code by name and number, a message.

Names and numbers: https://learn.microsoft.com/azure/iot-hub/troubleshoot-error-codes; the bodies as real hubs send them.
"""

from __future__ import annotations

import json
import time
import uuid

NUMBERS = {
    "ArgumentInvalid": 400004,
    "InvalidContentEncodingOrType": 400003,
    "ConnectionForcefullyClosedOnNewConnection": 400027,
    "ConfigurationReadFailed": 400302,
    "IotHubUnauthorizedAccess": 401002,
    "IotHubUnauthorized": 401003,
    "DeviceDisabled": 403004,
    "DeviceNotFound": 404001,
    "ModuleNotFound": 404010,
    "ConfigurationNotFound": 404011,
    "DeviceNotOnline": 404103,
    "DeviceConnectionClosedRemotely": 404104,
    "DeviceAlreadyExists": 409001,
    "ModuleAlreadyExistsOnDevice": 409301,
    "ConfigurationAlreadyExists": 409303,
    "PreconditionFailed": 412002,
    "ThrottlingException": 429001,
    "ThrottlingMaxActiveJobCountExceeded": 429003,
    "ServerError": 500001,
    "ServiceUnavailable": 503001,
    "GatewayTimeout": 504101,
}


class HubError(Exception):
    """``status`` is HTTP's, ``code`` the name in ``iothub-errorcode``, ``number`` the six digits of Microsoft's list."""

    def __init__(self, status: int, code: str, message: str, number: int | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.number = number or NUMBERS.get(code)

    def body(self) -> dict:
        stamp = time.strftime("%m/%d/%Y %H:%M:%S", time.gmtime())
        tracking = f"Tracking ID:{uuid.uuid4().hex}-G:0-TimeStamp:{stamp}"
        return {"Message": f"ErrorCode:{self.code};{self.message}", "ExceptionMessage": tracking}

    def method_body(self) -> dict:
        """Direct methods carry their error as JSON in a text."""
        inner: dict = {"errorCode": self.number, "trackingId": uuid.uuid4().hex, "message": self.message, "info": {}}
        return {"Message": json.dumps(inner), "ExceptionMessage": ""}


def invalid(message: str) -> HubError:
    return HubError(400, "ArgumentInvalid", message)
