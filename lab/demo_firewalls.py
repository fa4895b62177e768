# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's three stories about firewalls: staged right, staged without addresses, and a bad allowlist that cuts SSH off.

The figures are real connections: to the old region's other hub, which answers all the time and is in the campaign's old
addresses, so that stage lets it in and retire takes it out; and to a gateway's SSH port.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable

from . import count, filters, openssl, pki
from .config import Gateway, Lab
from .hub_config import HUB_WEST
from .inventory import ROOTS_ONLY
from .tools import LabError, say

BACK_MOST = 60.0  # seconds for a gateway that was cut off to be back
SSH_MOST = 2.0  # seconds for sshd's first words
NEW_ROOT = "lab-g2"


class Firewalls:
    """``figures`` collects what summary.json gets."""

    def __init__(self, lab: Lab):
        self.lab, self.figures = lab, dict[str, int]()
        self.filtered = {one.name for one in lab.gateways if one.filter}
        self.free = {one.name for one in lab.gateways} - self.filtered
        self.roots_only = {one.name for one in lab.gateways if one.group == ROOTS_ONLY}

    def first_day(self) -> None:
        self.figures |= {"filtered": len(self.filtered), "unfiltered": len(self.free)}
        self._count("first_day")

    def bad_allowlist(self, playbook: Callable[..., None]) -> None:
        """Stage a campaign whose address is the control node's own, into a set of what only MQTT may go to."""
        canary, before = self.lab.gateways[0], count.rulesets(self.lab)
        watch = Watch(canary)
        places = json.dumps({"rootwave_allowlist_places": [filters.BROKERS]})
        playbook("stage_campaign", "campaign-bad.yml", "-e", places, fails=True)
        watch.until_back()
        now = count.rulesets(self.lab)
        changed = sorted(name for name in before if before[name] != now[name])
        say(f"{canary.name} was silent for {watch.silent:.0f} s and answers again; rulesets that are not as before: {changed}")
        self.figures |= {"ssh_cut": int(watch.silent > 0), "ssh_back": int(watch.answers), "rulesets_changed": len(changed)}

    def after_stage(self, connected: set[str]) -> None:
        """Who has the right root and no way to the hub is stranded by nothing but its firewall."""
        pem = pki.create(self.lab.state_dir)[NEW_ROOT].pem
        gateways = [one for one in self.lab.gateways if one.name in self.roots_only]
        trusting = {one.name for one in gateways if openssl.trusts_in_every_form(self.lab, one, pem)}
        stranded = sorted(trusting - connected)
        say(f"{', '.join(stranded) or 'nobody'} trusts the new root and has no session: stranded by the firewall")
        self.figures["filtered_reconnected"] = len((self.filtered - self.roots_only) & connected)
        self.figures |= {"roots_only": len(self.roots_only), "roots_only_stranded": len(stranded)}
        self._count("staged")

    def at_the_end(self, rescued: set[str]) -> None:
        self.figures["roots_only_recovered"] = len(self.roots_only & rescued)
        self._count("retired")

    def _count(self, when: str) -> None:
        """Who reaches the other hub: who filters, and who does not, as proof that it answers."""
        out = count.let_out(self.lab, self.lab.where.hubs[HUB_WEST])
        filtered, free = len(out & self.filtered), len(out & self.free)
        others = f"{free} of {len(self.free)} gateways without one reach it"
        say(f"{filtered} of {len(self.filtered)} firewalls let the other old address out; {others}")
        self.figures |= {f"old_let_out_{when}": filtered, f"unfiltered_{when}": free}


class Watch:
    """Asks a gateway's sshd again and again: ``silent`` for how many seconds, ``answers`` whether it does at the end."""

    def __init__(self, gateway: Gateway):
        self.gateway, self.silent, self.answers = gateway, 0.0, True
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def until_back(self) -> None:
        """End when it answers; raises LabError when it does not come back."""
        deadline = time.monotonic() + BACK_MOST
        while not self._ask():
            if time.monotonic() > deadline:
                raise LabError(f"{self.gateway.name} does not answer on SSH within {BACK_MOST:.0f} s: it did not revert")
        self._end.set()
        self._thread.join()
        self.answers = self._ask()

    def _watch(self) -> None:
        while not self._end.wait(0.2):
            started = time.monotonic()
            if not self._ask():
                self.silent += time.monotonic() - started

    def _ask(self) -> bool:
        try:
            with socket.create_connection((self.gateway.address, 22), SSH_MOST) as stream:
                return stream.recv(4) == b"SSH-"
        except OSError:
            return False


def sentence(summary: dict) -> str:
    return (
        "{filtered_reconnected} of the {filtered} gateways with a firewall were staged with addresses and reconnected, "
        "{roots_only_stranded} had the new root alone and was stranded by its firewall, {roots_only_recovered} of them back "
        "after staging; {ssh_cut} bad allowlist cut SSH off and reverted by itself; of {old_let_out_staged} firewalls that let "
        "an old address out {old_let_out_retired} still do."
    ).format(**summary)


def as_promised(summary: dict) -> bool:
    staged = summary["filtered"] - summary["roots_only"]
    return (
        summary["filtered"] + summary["unfiltered"] == summary["gateways"]
        and summary["filtered_reconnected"] == summary["old_let_out_staged"] == staged > 0
        and summary["roots_only"] == summary["roots_only_stranded"] == summary["roots_only_recovered"] == 1
        and (summary["ssh_cut"], summary["ssh_back"], summary["rulesets_changed"]) == (1, 1, 0)
        and summary["old_let_out_first_day"] == summary["old_let_out_retired"] == 0
        and {summary[f"unfiltered_{when}"] for when in ("first_day", "staged", "retired")} == {summary["unfiltered"]}
    )
