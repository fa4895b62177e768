# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Allowlists by the playbook and by the role that operators run."""

from __future__ import annotations

import yaml

from tests.system.allowlist_site import SET, Site

SITE = Site


def test_a_campaign_by_its_playbook(site):
    """From the address files to the kernel: without a place refused, with one staged by the one call; then nothing to do."""
    names = site.group("trio")
    for name in names:
        site.filter(name)
    before = [site.rules(name) for name in names]
    for file, address in (("new.yml", site.lab.new_address), ("old.yml", site.lab.old_address)):
        known = {"schema": 1, "prefixes": [{"prefix": f"{address}/32", "source": "test"}]}
        (site.folder / file).write_text(yaml.safe_dump(known))
    campaign = site.campaign(["trio"], allowlist={"new": "new.yml", "old": "old.yml", "private": True, "quiet_period": 0})
    refused = site.play("stage_campaign", campaign)
    assert refused.code != 0 and "allowlist-place" in refused.output, refused.output
    assert [site.rules(name) for name in names] == before and not any(map(site.ours, names))
    place = {"all": {"rootwave_allowlist_places": [SET]}}
    staged = site.play("stage_campaign", campaign, overrides=place)
    assert staged.code == 0, staged.output
    assert all(site.reaches(name, site.lab.new_address) for name in names)
    again = site.play("stage_campaign", campaign, overrides=place)
    assert (again.code, again.changed) == (0, 0), again.output


def test_the_role_takes_the_allowlist_alone(site):
    """Staged by the role: addresses, no root. A whole campaign it refuses, and what it did is taken back by itself."""
    name = site.group("trio")[0]
    site.filter(name)
    before, roots = site.rules(name), site.trust_files(name)
    known = {"schema": 1, "prefixes": [{"prefix": f"{site.lab.new_address}/32", "source": "test"}]}
    (site.folder / "new.yml").write_text(yaml.safe_dump(known))
    campaign = site.campaign(["trio"], allowlist={"new": "new.yml", "private": True, "places": [SET]})
    code, output = site.role(name, campaign, "stage", whole=True)
    assert code != 0 and "this role is for the allowlist alone" in output, output
    assert site.rules(name) == before
    code, output = site.role(name, campaign, "stage")
    assert code == 0, output
    assert site.reaches(name, site.lab.new_address) and site.trust_files(name) == roots
    code, output = site.role(name, campaign, "revert")
    assert (code, site.rules(name)) == (0, before), output
