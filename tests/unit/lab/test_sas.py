# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab hub's check of shared access signatures; the right token passes, and each change of it does not."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from lab.hub import sas

HUB, DEVICE, NOW = "hub.example", "gw-01", 1_800_000_000
KEY = base64.b64encode(b"a key of this device's own").decode()
OTHER_KEY = base64.b64encode(b"a key of another device").decode()


def token(host: str = HUB, device: str = DEVICE, key: str = KEY) -> str:
    return sas.token(host, device, key, 3600, NOW)


def passes(text: str | None, now: float = NOW, host: str = HUB, device: str = DEVICE) -> bool:
    return sas.check(text, host, device, KEY, now)


def test_the_right_token():
    assert passes(token())


def test_it_is_made_as_microsoft_describes_it():
    """By hand, from iot-hub-dev-guide-sas, so that making and checking cannot agree on the same mistake."""
    resource = "hub.example%2Fdevices%2Fgw-01"
    digest = hmac.new(base64.b64decode(KEY), f"{resource}\n{NOW + 3600}".encode(), hashlib.sha256).digest()
    signature = base64.b64encode(digest).decode().replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
    assert token() == f"SharedAccessSignature sr={resource}&sig={signature}&se={NOW + 3600}"


@pytest.mark.parametrize("now, expected", [(NOW + 3599, True), (NOW + 3600, False), (NOW + 999999, False)])
def test_expiry(now, expected):
    assert passes(token(), now) is expected


@pytest.mark.parametrize(
    "text",
    [
        token(key=OTHER_KEY),
        token(host="other.example"),
        token(device="gw-02"),
        token().replace(f"se={NOW + 3600}", f"se={NOW + 7200}"),
        token().replace("sig=", "sig=A"),
        token().replace(f"&se={NOW + 3600}", ""),
        token().replace(f"se={NOW + 3600}", "se=tomorrow"),
        token().removeprefix(sas.PREFIX),
        token() + "&more=" + "x" * 4096,
        "",
        None,
    ],
    ids=[
        "wrong key",
        "other hub",
        "other device",
        "expiry moved",
        "signature changed",
        "no expiry",
        "expiry is no number",
        "no prefix",
        "too long",
        "empty",
        "none",
    ],
)
def test_refused(text):
    assert not passes(text)


def test_a_good_token_is_no_good_for_somebody_else():
    assert not passes(token(), device="gw-02")
    assert not passes(token(), host="other.example")
