# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What there is in Azure for a fleet, and what it serves now. Runs on the control node; see the module of the same name."""

from __future__ import annotations

import json
import os
import re
import time
from urllib.request import getproxies, proxy_bypass

from ansible.plugins.action import ActionBase
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.model import Endpoint, Timeouts
from ansible_collections.rootwave.iot.plugins.plugin_utils import estate, served
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub.credentials import CredentialError, cloud_of
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub.errors import HubError
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub.registration import look_up
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub.resources import Resources

REGISTRATION = {
    "id_scope": {"type": "str", "required": True},
    "registration_id": {"type": "str", "required": True},
    "key": {"type": "str", "required": True, "no_log": True},
    "application": {"type": "str"},
}
SPEC = {
    "subscriptions": {"type": "list", "elements": "str", "default": []},
    "cloud": {"type": "str", "choices": ["public", "usgov", "china"]},
    "campaign": {"type": "dict"},
    "registrations": {"type": "list", "elements": "dict", "default": [], "options": REGISTRATION},
    "host_names": {"type": "list", "elements": "str", "choices": ["classic", "device", "service"], "default": ["classic"]},
    "ports": {"type": "list", "elements": "int", "default": [8883, 443]},
    "probe": {"type": "bool", "default": True},
    "resolve": {"type": "dict", "default": {}},
    "proxy": {"type": "str"},
    "timeout": {"type": "int", "default": 60},
}
PROXY = re.compile(r"http://(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9.-]{1,253}):[0-9]{1,5}/?")  # as an endpoint's proxy in a campaign
TIMEOUTS = Timeouts()


class ActionModule(ActionBase):
    """Reads only."""

    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        args = json.loads(json.dumps(self.validate_argument_spec(argument_spec=SPEC)[1]))
        try:
            return {"changed": False, **found_in_azure(args)}
        except (HubError, CredentialError) as exc:
            failure = exc.as_result() if isinstance(exc, HubError) else {"msg": str(exc)}
            return {"failed": True, "changed": False, **failure}


def found_in_azure(args: dict) -> dict:
    """The module's result; raises HubError, CredentialError."""
    if not args["ports"] or not args["host_names"]:
        raise HubError("ports and host_names each need one at least; probe: false lists only", code="BadOptions")
    cloud, campaign = cloud_of(args["cloud"]), args["campaign"] or {}
    clouds = campaign.get("clouds") or ["public"]
    hubs, services, applications = [], [], []
    for subscription in subscriptions_of(args):
        resources = Resources(cloud, subscription, args["timeout"])
        mine = resources.hubs()
        for hub in mine:
            hub |= {"subscription": subscription, "private_endpoints": resources.private_addresses(hub)}
        hubs += mine
        services += [{**one, "subscription": subscription} for one in resources.provisioning_services()]
        applications += [{**one, "subscription": subscription} for one in resources.central_applications()]
    services = [{**one, **estate.judged(one["device_host"], clouds)} for one in services]
    registrations = [registered(one, cloud, args["timeout"]) for one in args["registrations"]]
    hubs = estate.all_hubs(hubs, services, registrations, clouds)
    endpoints = estate.endpoints_of(hubs, services, args["host_names"], args["ports"])
    seen = look(args, endpoints, campaign) if args["probe"] else []
    for hub in hubs:
        hub["addresses"] = served.addresses_of(hub["host"], args["resolve"], TIMEOUTS)
    found = {
        "hubs": hubs,
        "provisioning_services": services,
        "central_applications": applications,
        "registrations": registrations,
        "endpoints": endpoints,
        "served": seen,
        "differing": estate.differing(seen),
    }
    return {**found, "missing_evidence": estate.missing_evidence(found)}


def subscriptions_of(args: dict) -> list[str]:
    """As given, else AWX's and azure-identity's own variable."""
    given = args["subscriptions"] or list(filter(None, [os.environ.get("AZURE_SUBSCRIPTION_ID")]))
    if not given and not args["registrations"]:
        raise HubError("name what to look at: set subscriptions (or AZURE_SUBSCRIPTION_ID), or registrations")
    return given


def registered(one: dict, cloud, timeout: float) -> dict:
    found = look_up(f"global.{cloud.provisioning_zone}", one["id_scope"], one["registration_id"], one["key"], timeout)
    return {**found, "application": one["application"]}


def look(args: dict, endpoints: list[dict], campaign: dict) -> list[dict]:
    roots = [*campaign.get("present", []), *campaign.get("absent", [])]
    proxy = args["proxy"] or getproxies().get("https")
    if proxy and not PROXY.fullmatch(proxy):
        raise HubError(f"cannot look through this proxy: set proxy to http://host:port, or probe to false{_secret(proxy)}")
    through = [Endpoint(**one, proxy=proxy if _by_proxy(one["host"], args) else None) for one in endpoints]
    return served.look(through, roots, args["resolve"], time.time(), TIMEOUTS)


def _by_proxy(host: str, args: dict) -> bool:
    """Addresses that somebody names are meant to be asked, not a proxy that resolves by itself; NO_PROXY holds but for proxy."""
    return host not in args["resolve"] and bool(args["proxy"] or not proxy_bypass(host))


def _secret(proxy: str) -> str:
    return " (it holds a password, which is not shown here)" if "@" in proxy else f", not {proxy}"
