# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The device provisioning service over HTTPS: where a device is assigned.

Source: azure rest-api iot-dps device, device-registration-status-lookup.
"""

from __future__ import annotations

from aiohttp import web

from .dps import scope_of


def make_dps_app(world) -> web.Application:
    async def status(request: web.Request) -> web.Response:
        scope, registration = scope_of(world, request.match_info["scope"]), request.match_info["registration"]
        if scope is None or registration not in scope.keys:
            return _error(404, 404201, "Enrollment or registration not found.")
        if not scope.signed(registration, request.headers.get("Authorization")):
            return _error(401, 401002, "Unauthorized")
        return web.json_response(scope.state(world, registration))

    app = web.Application()
    app.router.add_post("/{scope}/registrations/{registration}", status)
    return app


def _error(status: int, code: int, message: str) -> web.Response:
    document = {"errorCode": code, "trackingId": "00000000-0000-0000-0000-000000000000", "message": message}
    return web.json_response(document, status=status)
