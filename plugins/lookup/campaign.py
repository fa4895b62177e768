# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: campaign
short_description: Load a campaign file
version_added: 0.1.0
description:
  - Reads one campaign, checks it against its schema, loads its anchors and verifies them by SHA-256.
  - Every complaint names file, line and key.
author:
  - Rootwave contributors (@rootwave)
options:
  _terms:
    description:
      - The campaign's path. Without one, the variable C(rootwave_campaign) is used, an extra variable first, else the one of
        C(group_vars/all) beside the inventory; relative paths are looked for beside the inventory, then in the current directory.
    type: list
    elements: str
  section:
    description:
      - Ask gateways about this part of the campaign alone, with a digest of its own. The variable is given with C(-e), as it must
        be the same for all that a playbook does.
    type: str
    choices: [anchors, allowlist]
    vars:
      - name: rootwave_section
"""

EXAMPLES = r"""
- name: Show which anchors go
  ansible.builtin.debug:
    msg: "{{ lookup('rootwave.iot.campaign', 'campaigns/baltimore-to-digicert-g2.yml').absent | map(attribute='name') }}"
"""

RETURN = r"""
_raw:
  description: The campaign with its digest, anchors as PEM, and every policy filled in.
  type: list
  elements: dict
"""

from pathlib import Path

from ansible.errors import AnsibleError
from ansible.inventory.group import Group
from ansible.plugins.lookup import LookupBase
from ansible.vars.plugins import get_vars_from_inventory_sources
from ansible_collections.rootwave.iot.plugins.plugin_utils.campaign import load


class LookupModule(LookupBase):
    """Reads campaigns; no state of its own."""

    def run(self, terms, variables=None, **kwargs):
        self.set_options(var_options=variables, direct=kwargs)
        section = self.get_option("section")
        return [load(str(term), section) for term in terms or [self._named(variables or {})]]

    def _named(self, variables):
        """The variable, or group_vars/all beside the inventory: a play's hosts are fixed before any host has variables."""
        if variables.get("rootwave_campaign"):
            return self._beside_inventory(self._templar.template(variables["rootwave_campaign"]), variables)
        sources = variables.get("ansible_inventory_sources") or []
        found = get_vars_from_inventory_sources(self._loader, sources, [Group("all")], "all")
        if "rootwave_campaign" not in found:
            raise AnsibleError(
                "no campaign was named; give -e rootwave_campaign=PATH, or set rootwave_campaign in group_vars/all.yml "
                "beside the inventory"
            )
        return self._beside_inventory(self._templar.template(found["rootwave_campaign"]), variables)

    def _beside_inventory(self, path, variables):
        """A relative path means the inventory's folder where the file is there, else the current directory."""
        sources = [Path(source) for source in variables.get("ansible_inventory_sources") or []]
        places = [(source if source.is_dir() else source.parent) / path for source in sources] + [Path(path)]
        for place in places:
            if place.exists():
                return place
        looked = ", ".join(str(place.absolute()) for place in dict.fromkeys(places))
        raise AnsibleError(f"there is no campaign {path}; looked for {looked}; name it with -e rootwave_campaign=PATH")
