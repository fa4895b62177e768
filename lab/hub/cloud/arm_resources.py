# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ARM's documents about the lab: hubs, DPS, IoT Central applications, private endpoints, service tags."""

from __future__ import annotations

import json
from pathlib import Path

PAIRS = {"eastus": "westus", "westeurope": "northeurope", "usgovvirginia": "usgovtexas"}
# Documentation prefixes (RFC 5737, RFC 3849) in the shape of the Service Tag Discovery API, whose numbers are texts
SERVICE_TAGS = {
    "name": "Public",
    "cloud": "Public",
    "changeNumber": "100",
    "values": [
        {
            "name": "AzureIoTHub",
            "id": "AzureIoTHub",
            "serviceTagChangeNumber": "42",
            "properties": {
                "changeNumber": "42",
                "region": "",
                "state": "GA",
                "systemService": "AzureIoTHub",
                "networkFeatures": ["API", "NSG", "UDR", "FW"],
                "addressPrefixes": ["192.0.2.0/27", "198.51.100.0/25", "203.0.113.5/32", "2001:db8:1::/48"],
            },
        },
        {
            "name": "AzureIoTHub.EastUS",
            "id": "AzureIoTHub.EastUS",
            "serviceTagChangeNumber": "12",
            "properties": {
                "changeNumber": "12",
                "region": "eastus",
                "state": "GA",
                "systemService": "AzureIoTHub",
                "networkFeatures": ["API", "NSG", "UDR", "FW"],
                "addressPrefixes": ["192.0.2.0/27", "2001:db8:1::/48"],
            },
        },
        {
            "name": "AzureIoTHub.WestUS",
            "id": "AzureIoTHub.WestUS",
            "serviceTagChangeNumber": "7",
            "properties": {
                "changeNumber": "7",
                "region": "westus",
                "state": "GA",
                "systemService": "AzureIoTHub",
                "networkFeatures": ["API", "NSG", "UDR", "FW"],
                "addressPrefixes": ["198.51.100.0/25"],
            },
        },
    ],
}


def group_id(world, group: str) -> str:
    return f"/subscriptions/{world.config['tenant']['subscription']}/resourceGroups/{group}"


def hub_id(world, hub) -> str:
    return f"{group_id(world, hub.config['resource_group'])}/providers/Microsoft.Devices/IotHubs/{hub.name.partition('.')[0]}"


def hub_of_id(world, resource: str):
    """The hub of a resource id, which is not case sensitive, or None."""
    return next((hub for hub in world.hubs.values() if hub_id(world, hub).lower() == resource.lower()), None)


def hub_document(world, hub, typed_root: bool) -> dict:
    """``typed_root``: the preview versions of the API have properties.rootCertificate, the others never show it."""
    config, (first, _dot, zone) = hub.config, hub.name.partition(".")
    place = config["location"]
    properties = {
        "hostName": hub.name,
        "deviceHostName": f"{first}.device.{zone}",
        "serviceHostName": f"{first}.service.{zone}",
        "state": "Active",
        "provisioningState": "Succeeded",
        "locations": [{"location": place, "role": "primary"}, {"location": PAIRS[place], "role": "secondary"}],
        "minTlsVersion": config.get("min_tls_version", "1.2"),
        "publicNetworkAccess": config.get("public_network_access", "Enabled"),
        "ipFilterRules": [],
        "networkRuleSets": config.get("network_rules"),
        "privateEndpointConnections": [_connection(world, hub, one) for one in config.get("private_endpoints", [])],
        "disableLocalAuth": False,
        "eventHubEndpoints": {},
        "features": "None",
    }
    if typed_root and "root_certificate_v2" in config:
        properties["rootCertificate"] = {"enableRootCertificateV2": config["root_certificate_v2"]}
    tier = {"F1": "Free"}.get(config["sku"], "Standard")
    return {
        "id": hub_id(world, hub),
        "name": first,
        "type": "Microsoft.Devices/IotHubs",
        "location": place,
        "resourcegroup": config["resource_group"],
        "subscriptionid": world.config["tenant"]["subscription"],
        "tags": {},
        "etag": "AAAAAAAAAAE=",
        "sku": {"name": config["sku"], "tier": tier, "capacity": config["units"]},
        "properties": properties,
    }


def _connection(world, hub, endpoint: dict) -> dict:
    state = {"status": "Approved", "description": ""}
    where = {"id": private_endpoint_id(world, hub, endpoint["name"])}
    return {"id": f"{hub_id(world, hub)}/privateEndpointConnections/{endpoint['name']}", "name": endpoint["name"]} | {
        "properties": {"privateEndpoint": where, "privateLinkServiceConnectionState": state}
    }


def private_endpoint_id(world, hub, name: str) -> str:
    return f"{group_id(world, hub.config['resource_group'])}/providers/Microsoft.Network/privateEndpoints/{name}"


def private_endpoint(world, resource: str) -> dict | None:
    for hub in world.hubs.values():
        for endpoint in hub.config.get("private_endpoints", []):
            if private_endpoint_id(world, hub, endpoint["name"]).lower() == resource.lower():
                properties = {"customDnsConfigs": endpoint["dns"], "provisioningState": "Succeeded"}
                return {"id": resource, "name": endpoint["name"], "location": hub.config["location"], "properties": properties}
    return None


def dps_document(world) -> dict:
    config = world.config["dps"]
    linked = [{"name": name, "location": world.hubs[name].config["location"]} for name in config["hubs"] if name in world.hubs]
    linked += [{"name": name, "location": "westus2"} for name in config.get("foreign_hubs", [])]
    for one in linked:
        one["connectionString"] = f"HostName={one['name']};SharedAccessKeyName=iothubowner;SharedAccessKey=****"
    return {
        "id": f"{group_id(world, 'lab')}/providers/Microsoft.Devices/provisioningServices/{config['name']}",
        "name": config["name"],
        "type": "Microsoft.Devices/provisioningServices",
        "location": config["location"],
        "tags": {},
        "etag": "AAAAAAAAAAE=",
        "sku": {"name": "S1", "tier": "Standard", "capacity": 1},
        "properties": {
            "state": "Active",
            "provisioningState": "Succeeded",
            "iotHubs": linked,
            "idScope": config["id_scope"],
            "serviceOperationsHostName": f"{config['name']}.azure-devices-provisioning.net",
            "deviceProvisioningHostName": config["host"],
            "allocationPolicy": "Hashed",
            "publicNetworkAccess": "Enabled",
            "authorizationPolicies": [],
        },
    }


def central_document(world, config: dict) -> dict:
    return {
        "id": f"{group_id(world, 'lab')}/providers/Microsoft.IoTCentral/iotApps/{config['name']}",
        "name": config["name"],
        "type": "Microsoft.IoTCentral/iotApps",
        "location": config["location"],
        "tags": {},
        "sku": {"name": "ST2"},
        "properties": {
            "applicationId": config.get("application_id", "00000000-0000-0000-0000-00000000c0de"),
            "displayName": config["name"],
            "subdomain": config["subdomain"],
            "state": "created",
            "provisioningState": "Succeeded",
        },
    }


def service_tags(world) -> dict:
    path = world.config.get("service_tags")
    return json.loads(Path(path).read_text()) if path else SERVICE_TAGS
