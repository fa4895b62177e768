# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small service tags document whose prefixes are public ones; those of the lab's are documentation's."""

from __future__ import annotations


def tag(name: str, number: int | str, *prefixes: str) -> dict:
    region = name.partition(".")[2].lower()
    return {"name": name, "properties": {"changeNumber": number, "region": region, "addressPrefixes": list(prefixes)}}


WEST, NORTH, NOWHERE, SIX = "20.1.2.0/25", "20.1.2.128/25", "20.9.9.8/30", "2603:1030::/47"
DOCUMENT = {
    "changeNumber": 100,
    "cloud": "Public",
    "values": [
        tag("AzureIoTHub", 42, WEST, NORTH, NOWHERE, SIX),
        tag("AzureIoTHub.WestEurope", 7, WEST, SIX),
        tag("AzureIoTHub.NorthEurope", "5", NORTH),
        tag("AzureStorage", 9, "20.200.0.0/16"),
    ],
}

__all__ = ("DOCUMENT", "NORTH", "NOWHERE", "SIX", "WEST")
