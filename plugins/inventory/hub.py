# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: hub
short_description: Devices, modules or IoT Edge devices of an IoT hub as hosts
version_added: 0.1.0
description:
  - Makes a host of each twin that a query finds, with groups and variables by C(compose), C(groups) and C(keyed_groups).
  - All twins or an error. The number of hosts is checked against the hub's registry before and after.
  - Only the properties that the options name travel. Variables RV(ignore:rootwave_tags) and RV(ignore:rootwave_reported) hold
    what expressions and O(projections) ask for, nothing else.
  - Every host has RV(ignore:rootwave_hub), RV(ignore:rootwave_device_id), RV(ignore:rootwave_connection_state),
    RV(ignore:rootwave_status), RV(ignore:rootwave_twin_wave) (the tag C(rootwave.wave)) and
    RV(ignore:rootwave_last_report) (the reported property C(rootwave)), a module has RV(ignore:rootwave_module_id) too. What a
    twin does not have is null.
  - Queries may be late by seconds, in bad times by half an hour, and a cache makes them later. What decides about a device
    reads its twin.
author:
  - Rootwave contributors (@rootwave)
extends_documentation_fragment:
  - ansible.builtin.constructed
  - ansible.builtin.inventory_cache
  - rootwave.iot._hub
options:
  plugin:
    description:
      - Says that this file, whose name ends in C(hub.yml) or C(hub.yaml), is for this plugin.
    type: str
    required: true
    choices: [rootwave.iot.hub]
  kind:
    description:
      - What becomes a host. V(edge) is devices with the capability IoT Edge.
    type: str
    choices: [devices, modules, edge]
    default: devices
  where:
    description:
      - A condition in the hub's query language.
    type: str
  projections:
    description:
      - More properties to load, as paths that begin with C(tags) or C(properties.reported).
    type: list
    elements: str
    default: []
  on_shortfall:
    description:
      - What to do when the number of twins and the number that the hub names do not agree.
    type: str
    choices: [fail, warn]
    default: fail
  join_variable:
    description:
      - A host of an earlier source with this inventory variable is that device, and gets the variables and groups. So does a host
        of the device's own name. Modules are never joined.
    type: str
    default: rootwave_device_id
  address_tag:
    description:
      - The tag that holds a host's address for SSH, as a path below C(tags). It becomes C(ansible_host) of a host that has none.
    type: str
requirements:
  - azure-iot-hub and six, or azure-core
  - azure-identity, unless O(connection_string) is used
notes:
  - Characters that Ansible's patterns or a shell could take for their own become C(_) in a host's name; the
    variable RV(ignore:rootwave_device_id) is exact. Two twins with one host name are an error.
"""

EXAMPLES = r"""
# gateways.hub.yml
plugin: rootwave.iot.hub
hub: my-hub.azure-devices.net
sku: S3
units: 4
where: tags.kind = 'gateway'
address_tag: network.address
keyed_groups:
  - key: rootwave_twin_wave
    prefix: wave
  - key: rootwave_tags.site
    prefix: site
groups:
  offline: rootwave_connection_state == 'Disconnected'
compose:
  firmware: rootwave_reported.firmware.version | default('unknown')
"""

import hashlib
import json
import os
import re
from functools import partial

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible_collections.rootwave.iot.plugins.plugin_utils.alike import Alike
from ansible_collections.rootwave.iot.plugins.plugin_utils.all_or_nothing import all_or_nothing
from ansible_collections.rootwave.iot.plugins.plugin_utils.expression import value_at
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub.action import CONNECTION_STRING
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub.connect import ARGUMENTS, connect, hub_names
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub.errors import HubError
from ansible_collections.rootwave.iot.plugins.plugin_utils.twin_query import TwinQuery, load, wanted_by

try:
    from ansible.template import trust_as_template  # ansible-core 2.19: no text is a template unless it is marked so
except ImportError:
    from ansible.utils.unsafe_proxy import wrap_var
else:
    del trust_as_template

    def wrap_var(v):
        return v


ENDINGS = ("hub.yml", "hub.yaml")
ADDRESS = re.compile(r"[A-Za-z0-9:][A-Za-z0-9.:_-]{0,252}")  # never an option for ssh


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    """See DOCUMENTATION. Hosts are added while pages arrive: it takes seconds, and the hub's quota makes us wait anyway."""

    NAME = "rootwave.iot.hub"

    def verify_file(self, path):
        return super().verify_file(path) and path.endswith(ENDINGS)

    def parse(self, inventory, loader, path, cache=True):
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        try:
            query = TwinQuery(self.get_option("kind"), self.get_option("where"), self._wanted())
            self._load(query, path, cache)
        except HubError as exc:
            raise AnsibleParserError(f"{path}: {exc}; {exc.advice}") from exc
        except ValueError as exc:
            raise AnsibleParserError(f"{path}: {exc}") from exc

    def _wanted(self):
        keyed = [entry.get("key") for entry in self.get_option("keyed_groups") or []]
        parents = [entry.get("parent_group") for entry in self.get_option("keyed_groups") or []]
        composed = [*(self.get_option("compose") or {}).values(), *(self.get_option("groups") or {}).values()]
        projections = list(self.get_option("projections"))
        if self.get_option("address_tag"):
            projections.append("tags." + self.get_option("address_tag"))
        return wanted_by([*composed, *keyed, *parents], projections)

    def _load(self, query, path, cache):
        """From the cache if it may and can, else from the hub."""
        options = self._hub_options()
        self.load_cache_plugin()
        # Whose devices these are is not in the file where a credential names the hub
        about = json.dumps([hub_names(options).classic, query.text])
        key = f"{self.get_cache_key(path)}_{hashlib.sha256(about.encode()).hexdigest()[:16]}"
        wants_cache = self.get_option("cache")
        if wants_cache and cache:
            try:
                kept = json.loads(self._cache[key])
                host, rows = kept["hub"], kept["rows"]
            except (KeyError, TypeError, ValueError):
                self.display.vv(f"{path}: nothing usable in the cache")
            else:
                self._fill(host, query, rows)
                return
        hub = connect(options)
        rows = load(hub, query, partial(self._fill, hub.host, query), self._say, self._shortfall)
        if wants_cache:
            self._cache[key] = json.dumps({"hub": hub.host, "rows": rows})

    def _hub_options(self):
        """As plain values: azure-iot-hub takes no subclasses of str, which Ansible's are since 2.19."""
        options = {name: self.get_option(name) for name in ARGUMENTS}
        for name in ("hub", "connection_string"):
            if isinstance(options[name], str) and self.templar.is_template(options[name]):
                options[name] = self.templar.template(options[name])
        if not options["hub"] and not options["connection_string"]:
            options["connection_string"] = os.environ.get(CONNECTION_STRING)
        return json.loads(json.dumps(options))

    def _fill(self, hub, query, rows):
        """A host of each row, none when one cannot be or when the rows end with an exception."""
        with all_or_nothing(self.inventory):
            there = {} if query.kind == "modules" else self._there()
            alike, taken = Alike(self), {}
            address = tuple(self.get_option("address_tag").split(".")) if self.get_option("address_tag") else ()
            for row in rows:
                variables = query.variables(row)
                device, module = variables["rootwave_device_id"], variables.get("rootwave_module_id")
                name = there.get(device) or safe(f"{device}.{module}" if module else device)
                if name in taken:
                    raise ValueError(f"{name} would be the host of {taken[name]} and of {device}")
                taken[name] = device
                joined = name in self.inventory.hosts
                self.inventory.add_host(name)
                variables["rootwave_hub"] = hub
                if address:
                    self._address(name, variables, address)
                # The inventory's set_variable would mark each value with its origin: half a minute for a large hub
                self.inventory.hosts[name].vars.update({variable: wrap_var(value) for variable, value in variables.items()})
                alike.place(name, joined)

    def _there(self):
        """{device: name of the host that an earlier source has for it}"""
        variable, there = self.get_option("join_variable"), {}
        for name, host in self.inventory.hosts.items():
            device = host.vars.get(variable)
            if isinstance(device, str):
                if device in there:
                    raise ValueError(f"{there[device]} and {name} both have {variable}: {device}")
                there[device] = name
        return there

    def _address(self, name, variables, path):
        if "ansible_host" in self.inventory.hosts[name].vars:
            return
        try:
            address = value_at(variables, ("rootwave_tags", *path))
        except KeyError:
            return
        if not isinstance(address, str) or not ADDRESS.fullmatch(address):
            self.display.warning(f"{name}: tag {'.'.join(path)} is no address and was not used")
            return
        variables["ansible_host"] = address

    def _say(self, text):
        self.display.display(text, stderr=True)  # standard output is ansible-inventory's answer

    def _shortfall(self, text):
        if self.get_option("on_shortfall") == "fail":
            raise HubError(text, code="Shortfall")
        self.display.warning(text)


def safe(identity):
    """A host name that no pattern, shell or ssh reads as something else."""
    return re.sub(r"^-|[^A-Za-z0-9._-]", "_", identity)
