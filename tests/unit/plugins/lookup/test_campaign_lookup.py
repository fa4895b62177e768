# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which file a campaign's name means: beside the inventory, else the current directory, else an error that names both."""

from __future__ import annotations

import pytest
import yaml
from ansible.constants import config
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.rootwave.iot.plugins.lookup import campaign


@pytest.fixture
def found(monkeypatch, tmp_path):
    """Ask for a campaign by name, with an inventory folder and a current directory; (the path, the section) that was loaded."""
    monkeypatch.setattr(campaign, "load", lambda path, section: (path, section))
    # what Ansible's own loader of plugins does
    options = yaml.safe_load(campaign.DOCUMENTATION)["options"]
    config.initialize_plugin_configuration_definitions("lookup", "campaign", options)
    for folder in ("inventory", "here"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def ask(name, more=None, **direct):
        loader = DataLoader()
        variables = {"rootwave_campaign": name, "ansible_inventory_sources": [str(tmp_path / "inventory")], **(more or {})}
        plugin = campaign.LookupModule(loader=loader, templar=Templar(loader=loader, variables=variables))
        plugin._load_name = "campaign"
        return plugin.run([], variables, **direct)[0]

    return ask


def test_beside_the_inventory_first(found, tmp_path):
    (tmp_path / "here" / "one.yml").touch()
    assert found("one.yml") == ("one.yml", None)
    (tmp_path / "inventory" / "one.yml").touch()
    assert found("one.yml") == (str(tmp_path / "inventory" / "one.yml"), None)


def test_an_absolute_path_is_that_file(found, tmp_path):
    path = tmp_path / "one.yml"
    path.touch()
    assert found(str(path)) == (str(path), None)


def test_a_section_by_option_or_variable(found, tmp_path):
    path = tmp_path / "one.yml"
    path.touch()
    assert found(str(path), section="allowlist") == (str(path), "allowlist")
    assert found(str(path), {"rootwave_section": "anchors"}) == (str(path), "anchors")
    with pytest.raises(AnsibleError, match="roots"):
        found(str(path), section="roots")


def test_nowhere_names_every_place(found, tmp_path):
    with pytest.raises(AnsibleError, match="there is no campaign none.yml") as error:
        found("none.yml")
    assert str(tmp_path / "inventory" / "none.yml") in str(error.value)
    assert str(tmp_path / "here" / "none.yml") in str(error.value)
