# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. Pure: the Kusto query for a hub's connections, and what may stand in it.

It is the query of Microsoft's migration page, which looks for DeviceDisconnect and then DeviceConnect, with the module and what
tells a renewal. Its first two lines are comments: its name, and the hub that it is about.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from .hub.errors import HubError
from .hub.names import HubNames

NAMED_MOST = 1000  # devices that the query names; beyond it the answer is sifted here
WORKSPACE = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
PART = r"[A-Za-z0-9_.()-]{1,90}"
RESOURCE = re.compile(
    rf"/subscriptions/[0-9a-f-]{{36}}/resourceGroups/{PART}/providers/Microsoft\.Devices/IotHubs/(?P<hub>{PART})", re.IGNORECASE
)
# azure-docs iot-hub-devguide-identity-registry: what an id may have
IDENTITY = re.compile(r"[A-Za-z0-9.:+%_#*?!(),=@$'-]{1,128}(/[A-Za-z0-9.:+%_#*?!(),=@$'-]{1,128})?")
COLUMNS = (
    "TimeGenerated",
    "OperationName",
    "Level",
    "ResultType",
    "ResultDescription",
    "DeviceId",
    "ModuleId",
    "Protocol",
    "SDKVersion",
    "AuthType",
    "MaskedIpAddress",
    "TlsVersion",
)
QUERY = """\
// rootwave: connections
// {bound}
AzureDiagnostics
| where ResourceProvider == "MICROSOFT.DEVICES" and ResourceType == "IOTHUBS"
| where Category == "Connections"
| where {condition}
| extend p = parse_json(properties_s)
| extend DeviceId = tostring(p.deviceId), ModuleId = tostring(p.moduleId), Protocol = tostring(p.protocol),
    SDKVersion = tostring(p.sdkVersion), AuthType = tostring(p.authType), MaskedIpAddress = tostring(p.maskedIpAddress),
    TlsVersion = tostring(p.tlsVersion)
{named}| distinct {columns}
"""


def check(names: HubNames, workspace: str | None, resource: str | None, identities: Iterable[str]) -> None:
    """All of them end up in addresses and queries; raises HubError for what is none, and for another hub's resource."""
    if workspace and not WORKSPACE.fullmatch(workspace):
        raise HubError(
            f"workspace_id {workspace!r} is no GUID: it is the Workspace ID, neither its name nor its resource id",
            code="BadOptions",
        )
    match = RESOURCE.fullmatch(resource) if resource else None
    if resource and not match:
        raise HubError(
            f"resource_id {resource!r} is no hub's: /subscriptions/.../providers/Microsoft.Devices/IotHubs/<hub>",
            code="BadOptions",
        )
    if match and match["hub"].lower() != hub_of(names):
        raise HubError(f"resource_id is of the hub {match['hub']}, but {names.classic} is asked", code="BadOptions")
    for who in identities:
        if not IDENTITY.fullmatch(who):
            raise HubError(f"{who!r} in device_ids is neither <device> nor <device>/<module>", code="BadOptions")


def hub_of(names: HubNames) -> str:
    return names.classic.partition(".")[0]


def query_text(names: HubNames, resource: str | None, devices: Iterable[str] | None) -> str:
    """``resource`` has passed ``check``; ``devices`` limit the answer, unless they are too many."""
    bound, condition = f"hub: {hub_of(names)}", f"Resource =~ {literal(hub_of(names))}"
    if resource:
        bound, condition = f"resource: {resource}", f"_ResourceId =~ {literal(resource)}"
    wanted, named = list(dict.fromkeys(devices or ())), ""
    if 0 < len(wanted) <= NAMED_MOST:
        # no page says where a module's id stands in this log; should it be device/module, the module must not be lost
        named = f'| where tostring(split(DeviceId, "/")[0]) in ({", ".join(map(literal, wanted))})\n'
    return QUERY.format(bound=bound, condition=condition, named=named, columns=", ".join(COLUMNS))


def literal(text: str) -> str:
    """A KQL string literal. Backslash and quotes are escaped as in JSON, and so is everything beyond printable ASCII."""
    return json.dumps(text)


__all__ = ("COLUMNS", "check", "query_text")
