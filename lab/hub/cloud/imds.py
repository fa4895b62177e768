# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The instance metadata service, as a managed identity asks it: plain HTTP on loopback (azure-docs how-to-use-vm-token)."""

from __future__ import annotations

import time

from aiohttp import web

from .login import LIFETIME


def make_imds_app(world) -> web.Application:
    async def token(request: web.Request) -> web.Response:
        if request.headers.get("Metadata") != "true":
            return web.json_response({"error": "invalid_request", "error_description": "Metadata header missing"}, status=400)
        resource = request.query.get("resource", "")
        if request.query.get("api-version") != "2018-02-01" or not resource:
            return web.json_response({"error": "invalid_request", "error_description": "api-version, resource"}, status=400)
        given = {
            "access_token": world.tokens.issue("managed-identity", resource),
            "expires_in": str(LIFETIME),
            "expires_on": str(int(time.time()) + LIFETIME),
            "resource": resource,
            "token_type": "Bearer",
        }
        return web.json_response(given)

    app = web.Application()
    app.router.add_get("/metadata/identity/oauth2/token", token)
    return app
