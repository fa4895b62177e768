# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Azure Resource Manager, read-only but for keys (azure-docs rest/api: iothub/iot-hub-resource, iot-dps, iotcentral)."""

from __future__ import annotations

from aiohttp import web

from . import arm_resources as resources
from .bearer import timespan, token_of
from .metrics import NAMES, timeseries

AUDIENCES = {"https://management.azure.com", "https://management.core.windows.net"}
PAGE = 2  # hubs; small, so that a client that reads only the first page shows
RIGHTS = {
    "iothubowner": "RegistryRead, RegistryWrite, ServiceConnect, DeviceConnect",
    "service": "ServiceConnect",
    "registryRead": "RegistryRead",
    "registryReadWrite": "RegistryRead, RegistryWrite",
    "device": "DeviceConnect",
}
GROUP = "/subscriptions/{subscription}/resourceGroups/{group}/providers"
HUB = GROUP + "/Microsoft.Devices/IotHubs/{hub}"


class NotFound(Exception):
    """(ARM's code, message)"""


class Arm:
    """One method per call."""

    def __init__(self, world) -> None:
        self.world = world

    async def hubs(self, request: web.Request) -> web.Response:
        group = request.match_info.get("group", "").lower()
        known = [hub for hub in self.world.hubs.values() if not hub.config.get("hidden")]  # IoT Central hides its own
        every = [hub for hub in known if not group or hub.config["resource_group"].lower() == group]
        first = int(request.query.get("$skiptoken", "0"))
        shown = [self._hub_document(hub, request) for hub in every[first : first + PAGE]]
        answer: dict = {"value": shown}
        if first + PAGE < len(every):
            answer["nextLink"] = str(request.url.with_scheme("https").update_query({"$skiptoken": str(first + PAGE)}))
        return web.json_response(answer)

    async def hub(self, request: web.Request) -> web.Response:
        return web.json_response(self._hub_document(self._hub(request), request))

    async def keys(self, request: web.Request) -> web.Response:
        policies = self._hub(request).config["policies"]
        found = [self._key(name, key) for name, key in policies.items()]
        return web.json_response({"value": found})

    async def key(self, request: web.Request) -> web.Response:
        policies, name = self._hub(request).config["policies"], request.match_info["key"]
        if name not in policies:
            raise NotFound("KeyNameNotFound", f"no policy {name}")
        return web.json_response(self._key(name, policies[name]))

    async def quotas(self, request: web.Request) -> web.Response:
        hub = self._hub(request)
        total = {"name": "TotalDeviceCount", "currentValue": len(hub.registry.devices()), "maxValue": 1_000_000}
        messages = {"name": "TotalMessages", "currentValue": 0, "maxValue": 400_000 * hub.config["units"]}
        return web.json_response({"value": [messages, total]})

    async def provisioning_services(self, request: web.Request) -> web.Response:
        found = [resources.dps_document(self.world)] if self.world.config.get("dps") else []
        return web.json_response({"value": found})

    async def provisioning_service(self, request: web.Request) -> web.Response:
        config = self.world.config.get("dps") or {}
        if request.match_info["dps"] != config.get("name"):
            raise NotFound("ResourceNotFound", f"no provisioning service {request.match_info['dps']}")
        return web.json_response(resources.dps_document(self.world))

    async def central(self, request: web.Request) -> web.Response:
        found = [resources.central_document(self.world, item) for item in self.world.config.get("central", [])]
        return web.json_response({"value": found})

    async def private_endpoint(self, request: web.Request) -> web.Response:
        document = resources.private_endpoint(self.world, request.path)
        if document is None:
            raise NotFound("ResourceNotFound", f"no {request.path}")
        return web.json_response(document)

    async def service_tags(self, request: web.Request) -> web.Response:
        return web.json_response(resources.service_tags(self.world))

    async def diagnostics(self, request: web.Request) -> web.Response:
        hub, tenant = self._hub(request), self.world.config["tenant"]
        found = []
        if tenant.get("workspace"):
            properties = {"workspaceId": tenant["workspace"], "logs": [{"category": "Connections", "enabled": True}]}
            found.append(
                {"id": f"{resources.hub_id(self.world, hub)}/diagnosticSettings/lab", "name": "lab", "properties": properties}
            )
        return web.json_response({"value": found})

    async def metrics(self, request: web.Request) -> web.Response:
        hub, query = self._hub(request), request.query
        wanted = query.get("metricnames", "").split(",")
        if not set(wanted) <= set(NAMES):
            return error(400, "BadRequest", f"unknown metric in {wanted}")
        since, until = timespan(query.get("timespan"), 3600)
        values = [timeseries(hub, name, since, until, query.get("aggregation", "Average")) for name in wanted]
        answer = {"timespan": query.get("timespan"), "interval": "PT1M", "value": values}
        return web.json_response({**answer, "namespace": "Microsoft.Devices/IotHubs", "resourceregion": hub.config["location"]})

    def _hub(self, request: web.Request):
        group, name = request.match_info["group"].lower(), request.match_info["hub"].lower()
        for hub in self.world.hubs.values():
            if hub.name.partition(".")[0] == name and hub.config["resource_group"].lower() == group:
                return hub
        raise NotFound(
            "ResourceNotFound", f"The Resource 'Microsoft.Devices/IotHubs/{name}' under resource group '{group}' was not found."
        )

    def _hub_document(self, hub, request: web.Request) -> dict:
        return resources.hub_document(self.world, hub, "preview" in request.query["api-version"])

    @staticmethod
    def _key(name: str, key: str) -> dict:
        return {"keyName": name, "primaryKey": key, "secondaryKey": key, "rights": RIGHTS.get(name, "")}


def make_arm_app(world) -> web.Application:
    arm = Arm(world)

    @web.middleware
    async def around(request: web.Request, handler) -> web.StreamResponse:
        world.tokens.check(token_of(request), AUDIENCES)
        if request.match_info.get("subscription", "").lower() != world.config["tenant"]["subscription"].lower():
            return error(404, "SubscriptionNotFound", "The subscription could not be found.")
        if "api-version" not in request.query:
            return error(400, "MissingApiVersionParameter", "The api-version query parameter is required.")
        try:
            return await handler(request)
        except NotFound as exc:
            return error(404, *exc.args)

    app = web.Application(middlewares=[around])
    below = "/subscriptions/{subscription}/providers"
    app.add_routes(
        [
            web.get(below + "/Microsoft.Devices/IotHubs", arm.hubs),
            web.get(GROUP + "/Microsoft.Devices/IotHubs", arm.hubs),
            web.get(HUB, arm.hub),
            web.post(HUB + "/listkeys", arm.keys),
            web.post(HUB + "/IotHubKeys/{key}/listkeys", arm.key),
            web.get(HUB + "/quotaMetrics", arm.quotas),
            web.get(HUB + "/providers/Microsoft.Insights/diagnosticSettings", arm.diagnostics),
            web.get(HUB + "/providers/Microsoft.Insights/metrics", arm.metrics),
            web.get(below + "/Microsoft.Devices/provisioningServices", arm.provisioning_services),
            web.get(GROUP + "/Microsoft.Devices/provisioningServices", arm.provisioning_services),
            web.get(GROUP + "/Microsoft.Devices/provisioningServices/{dps}", arm.provisioning_service),
            web.get(below + "/Microsoft.IoTCentral/iotApps", arm.central),
            web.get(GROUP + "/Microsoft.Network/privateEndpoints/{name}", arm.private_endpoint),
            web.get(below + "/Microsoft.Network/locations/{location}/serviceTags", arm.service_tags),
        ]
    )
    return app


def error(status: int, code: str, message: str) -> web.Response:
    return web.json_response({"error": {"code": code, "message": message}}, status=status)
