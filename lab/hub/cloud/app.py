# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One TLS listener for the control plane's host names: the Host header chooses."""

from __future__ import annotations

from aiohttp import web

from .arm import make_arm_app
from .login import TokenRefused, make_login_app
from .logs import make_logs_app
from .metrics import make_metrics_app

LOGIN, ARM, LOGS = "login.microsoftonline.com", "management.azure.com", "api.loganalytics.io"
METRICS = "*.metrics.monitor.azure.com"
CLOUD_NAMES = (LOGIN, ARM, LOGS, METRICS)


def make_cloud_app(world) -> web.Application:
    app = web.Application(middlewares=[_refused])
    makers = {LOGIN: make_login_app, ARM: make_arm_app, LOGS: make_logs_app, METRICS: make_metrics_app}
    for name, make in makers.items():
        app.add_domain(name, make(world))
    return app


@web.middleware
async def _refused(request: web.Request, handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except TokenRefused as exc:
        return web.json_response({"error": {"code": "InvalidAuthenticationToken", "message": str(exc)}}, status=401)
