# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bodies as real hubs sent them (public issue threads of the SDKs)."""

from __future__ import annotations

import json

import pytest
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub import errors

NOT_FOUND = {
    "Message": "ErrorCode:DeviceNotFound;one",
    "ExceptionMessage": "Tracking ID:0f1e2d3c4b5a69788796a5b4c3d2e1f0-G:0-TimeStamp:10/18/2022 20:50:39",
}
TRACKING = "0f1e2d3c4b5a69788796a5b4c3d2e1f0-G"
INNER = {"errorCode": 404103, "trackingId": "77AA", "message": "Timed out waiting for device to connect.", "info": {}}
OFFLINE = {"Message": json.dumps(INNER), "ExceptionMessage": ""}


@pytest.mark.parametrize(
    "status, headers, body, kind, code, number, tracking",
    [
        (404, {"iothub-errorcode": "DeviceNotFound"}, NOT_FOUND, errors.HubNotFound, "DeviceNotFound", None, TRACKING),
        (404, {}, NOT_FOUND, errors.HubNotFound, "DeviceNotFound", None, TRACKING),
        (404, {"iothub-errorcode": "DeviceNotOnline"}, OFFLINE, errors.HubNotFound, "DeviceNotOnline", 404103, "77AA"),
        (429, {}, "slow down", errors.HubThrottled, "", None, ""),
        (412, {}, "", errors.HubConflict, "", None, ""),
        (401, {}, "[]", errors.HubAuthError, "", None, ""),
        (500, {}, "{", errors.HubError, "", None, ""),
    ],
)  # fmt: skip
def test_answers(status, headers, body, kind, code, number, tracking):
    error = errors.from_answer("GET /twins/one of hub", status, headers, body if isinstance(body, str) else json.dumps(body))
    assert error.__class__ is kind
    assert (error.status, error.code, error.number, error.tracking_id) == (status, code, number, tracking)
    assert str(error).startswith(f"GET /twins/one of hub: {status}")
    assert error.advice in error.as_result()["msg"]


def test_long_words_are_cut():
    assert len(str(errors.from_answer("x", 400, {}, "y" * 100_000))) < 1000
