# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. Pure: a campaign's waves and the inventory's groups -> the fixed order of a run.

Nothing here depends on --limit: the gate compares what the play really covers with what was fixed here.
"""

from __future__ import annotations

from .campaign_file import CampaignError

SSH, TWIN = "ssh", "twin"
JUDGED, SLICED = "judged", "sliced"


def fix_waves(campaign: dict, groups: dict, forks: int, last: str | None = None, only: str | None = None) -> dict:
    """{"waves": [{"name", "hosts", "mode", "via"}], "batches": [{"wave", "hosts"}], "hosts": [...], "serial": [...]}

    SSH waves are cut into batches of at most ``forks``, because the linear strategy ends a task on a whole batch before the
    next task, and armed reverts must not run out meanwhile. A twin wave is asked at its hub, once for all its devices: its
    first host stands for it in the play, so that ten thousand devices cost Ansible no more than one. ``last`` names the one
    wave to run; those before it are then looked at only (mode "report"). ``only`` is JUDGED, to look at ``last`` itself and at
    nothing else, or SLICED, where the inventory is a part of the whole: fewer gateways than are expected, or none of an earlier
    wave. Raises CampaignError for a wave that is empty, unknown or shared.
    """
    path = campaign["path"]
    waves: list[dict] = []
    owner: dict[str, str] = {}
    for wave in campaign["waves"]:
        name = wave["group"]
        if name not in groups:
            raise CampaignError(f"{path}: waves: the inventory has no group {name}")
        hosts = list(groups[name])
        if only != SLICED:
            _check_size(path, wave, hosts, campaign["policy"]["min_sample"])
        for host in hosts:
            if host in owner:
                raise CampaignError(f"{path}: waves: {host} is in two waves, {owner[host]} and {name}")
            owner[host] = name
        waves.append({"name": name, "hosts": hosts, "mode": "run", "via": wave.get("via", SSH)})
    if last is not None:
        waves = _up_to(path, waves, last)
    if only == JUDGED:
        waves = [{**waves[-1], "mode": "report"}]
    if only == SLICED:
        waves = [wave for wave in waves if wave["hosts"]]
    batches = [{"wave": wave["name"], "hosts": hosts} for wave in waves for hosts in _batches(wave, forks)]
    return {
        "waves": waves,
        "batches": batches,
        "hosts": [host for batch in batches for host in batch["hosts"]],
        "serial": [len(batch["hosts"]) for batch in batches],
    }


def _batches(wave: dict, forks: int) -> list[list[str]]:
    hosts = wave["hosts"]
    if wave["via"] == TWIN:
        return [hosts[:1]]
    return [hosts[start : start + forks] for start in range(0, len(hosts), forks)]


def _check_size(path: str, wave: dict, hosts: list[str], min_sample: int) -> None:
    name = wave["group"]
    if not hosts:
        raise CampaignError(f"{path}: waves: group {name} has no hosts; remove the wave or fill the group")
    if wave.get("expect", len(hosts)) != len(hosts):
        raise CampaignError(
            f"{path}: waves: the campaign expects {wave['expect']} gateways in {name}, the inventory has {len(hosts)}; "
            "a slice or a partial inventory must not judge a wave"
        )
    if len(hosts) < min_sample:
        raise CampaignError(
            f"{path}: policy: min_sample is {min_sample}, wave {name} has only {len(hosts)} gateways: its gate could never pass"
        )


def _up_to(path: str, waves: list[dict], last: str) -> list[dict]:
    names = [wave["name"] for wave in waves]
    if last not in names:
        raise CampaignError(f"{path}: rootwave_wave={last} is none of the campaign's waves: {', '.join(names)}")
    chosen = waves[: names.index(last) + 1]
    return [{**wave, "mode": "run" if wave["name"] == last else "report"} for wave in chosen]


__all__ = ("JUDGED", "SLICED", "SSH", "TWIN", "fix_waves")
