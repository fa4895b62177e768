# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. From a module's or plugin's options to a hub that can be asked."""

from __future__ import annotations

import importlib

from .credentials import CredentialError, SharedAccess, cloud_of, entra_credential
from .errors import HubError
from .names import HubNames
from .throttle import ThrottledHub

# What every caller offers its users; documented in plugins/doc_fragments/_hub.py
ARGUMENTS: dict = {
    "hub": {"type": "str"},
    "connection_string": {"type": "str", "no_log": True},
    "cloud": {"type": "str", "choices": ["public", "usgov", "china"]},
    "implementation": {"type": "str", "choices": ["auto", "sdk", "pipeline"], "default": "auto"},
    "sku": {"type": "str", "choices": ["F1", "B1", "B2", "B3", "S1", "S2", "S3"], "default": "S1"},
    "units": {"type": "int", "default": 1},
    "timeout": {"type": "int", "default": 60},
    "time_budget": {"type": "int", "default": 600},
}
LEAST = {"units": 1, "timeout": 1, "time_budget": 0}


def connect(options: dict) -> ThrottledHub:
    """``options`` as ARGUMENTS has them; raises HubError for what cannot be asked with."""
    names = hub_names(options)
    for name, least in LEAST.items():
        if options[name] < least:
            raise HubError(f"{name} is at least {least}, not {options[name]}", code="BadOptions")
    scope, host = names.cloud.scope, (options.get("hub") or names.classic).strip().lower()
    credential: object
    if options.get("connection_string"):
        credential = SharedAccess.of(options["connection_string"])
        host = credential.host
    else:
        credential = entra_credential(names.cloud)
    inner = _implementation(options["implementation"])(host, credential, scope, options["timeout"])
    return ThrottledHub(inner, options["sku"], options["units"], options["time_budget"])


def hub_names(options: dict) -> HubNames:
    """Which hub it is, before anybody asks it; raises HubError."""
    try:
        return _hub_names(options)
    except (CredentialError, ValueError) as exc:
        raise HubError(str(exc), code="BadOptions") from exc


def _hub_names(options: dict) -> HubNames:
    hub = HubNames.of(options["hub"]) if options.get("hub") else None
    if options.get("connection_string"):
        access = SharedAccess.of(options["connection_string"])
        if hub and access.names != hub:
            raise CredentialError(f"the connection string is for {access.names.classic}, not for {hub.classic}")
        return access.names
    if hub is None:
        raise CredentialError("name the hub: set hub, or connection_string (ROOTWAVE_HUB_CONNECTION_STRING)")
    if options.get("cloud") and cloud_of(options["cloud"]) != hub.cloud:
        raise CredentialError(f"{hub.classic} belongs to the {hub.cloud.name} cloud, not to {options['cloud']}")
    return hub


def _implementation(wanted: str):
    """SdkHub where azure-iot-hub imports, PipelineHub else."""
    from .pipeline import PipelineHub
    from .sdk import SdkHub

    if wanted == "auto":
        try:
            importlib.import_module("azure.iot.hub")
        except ImportError:
            return PipelineHub
        return SdkHub
    return {"sdk": SdkHub, "pipeline": PipelineHub}[wanted]


__all__ = ("ARGUMENTS", "connect", "hub_names")
