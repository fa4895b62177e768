# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which file a campaign's name means: beside the inventory, else the current directory, else an error that names both."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.rootwave.iot.plugins.lookup import campaign


@pytest.fixture
def found(monkeypatch, tmp_path):
    """Ask for a campaign by name, with an inventory folder and a current directory; the path that was loaded."""
    monkeypatch.setattr(campaign, "load", lambda path: path)
    for folder in ("inventory", "here"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def ask(name):
        loader = DataLoader()
        variables = {"rootwave_campaign": name, "ansible_inventory_sources": [str(tmp_path / "inventory")]}
        return campaign.LookupModule(loader=loader, templar=Templar(loader=loader, variables=variables)).run([], variables)[0]

    return ask


def test_beside_the_inventory_first(found, tmp_path):
    (tmp_path / "here" / "one.yml").touch()
    assert found("one.yml") == "one.yml"
    (tmp_path / "inventory" / "one.yml").touch()
    assert found("one.yml") == str(tmp_path / "inventory" / "one.yml")


def test_an_absolute_path_is_that_file(found, tmp_path):
    path = tmp_path / "one.yml"
    path.touch()
    assert found(str(path)) == str(path)


def test_nowhere_names_every_place(found, tmp_path):
    with pytest.raises(AnsibleError, match="there is no campaign none.yml") as error:
        found("none.yml")
    assert str(tmp_path / "inventory" / "none.yml") in str(error.value)
    assert str(tmp_path / "here" / "none.yml") in str(error.value)
