# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's figures: from the hub's live sessions and from openssl on each gateway and device, never from Rootwave's reports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from . import hub_client, openssl, pki
from .config import ROOT, Device, Gateway, Lab
from .fleet import execute
from .tools import LabError, say

SESSIONS_MOST = 90.0  # seconds for every client to be back after a cutover
CONNECT_MOST = 2  # seconds for a connection on one machine
REAL = ROOT / "campaigns" / "anchors" / "baltimore-cybertrust-root.pem"


def baltimore_trusted(lab: Lab) -> set[str]:
    """Who trusts the lab's Baltimore or the real one in any form; who is switched off cannot be asked."""
    roots = [pki.create(lab.state_dir)["lab-baltimore"].pem, REAL.read_text()]
    return _who(lab.hosts, lambda one: openssl.trusts(lab, one, *roots))


def connected(lab: Lab, expected: int) -> set[str]:
    """Names with a live session, once they are as many as expected or the time is up; openssl must agree."""
    hub_client.wait_connected(lab, expected, SESSIONS_MOST)
    names = set(hub_client.connected(lab))
    able = _who(lab.hosts, lambda one: openssl.reaches_hub(lab, one))
    if names != able:
        clients = "".join(f"; {one.name}: {_client(lab, one)}" for one in lab.gateways if one.name in names ^ able)
        raise LabError(f"the hub counts {sorted(names)}, openssl reaches it from {sorted(able)}{clients}")
    gateways = [one for one in lab.gateways if one.name in names]
    devices = [one for one in lab.devices if one.name in names]
    fleets = f"{len(gateways)} of {len(lab.gateways)} gateways and {len(devices)} of {len(lab.devices)} devices"
    say(f"{fleets} hold a session to the hub")
    return names


def _client(lab: Lab, gateway: Gateway) -> str:
    """What a gateway's client is at: its connections with their timers, and its last words."""
    script = "ss -Htno dport = :8883; journalctl --quiet --output=cat --lines=3 --unit=lab-client"
    return " | ".join(execute(lab, gateway, ["sh", "-c", script]).stdout.decode().splitlines())


def let_out(lab: Lab, address: str, port: int = 8883) -> set[str]:
    """The gateways whose own bash opens a connection there, whoever may listen; a filter that drops keeps it waiting."""
    argv = ["timeout", str(CONNECT_MOST), "bash", "-c", f"exec 3<>/dev/tcp/{address}/{port}"]
    return _who(lab.gateways, lambda one: execute(lab, one, argv).returncode == 0, at_once=len(lab.gateways))


def rulesets(lab: Lab) -> dict[str, str]:
    """{gateway: what nft lists}, without what moves by itself. All four backends end in it."""
    script = r"nft list ruleset | sed -E 's/packets [0-9]+ bytes [0-9]+/packets N/g; s/expires [0-9a-z]+/expires T/'"
    with ThreadPoolExecutor(4) as pool:
        listed = pool.map(lambda one: execute(lab, one, ["sh", "-c", script]).stdout.decode(), lab.gateways)
        return dict(zip([one.name for one in lab.gateways], listed, strict=True))


def _who(hosts: Sequence[Gateway | Device], question: Callable[[Gateway | Device], bool], at_once: int = 4) -> set[str]:
    with ThreadPoolExecutor(at_once) as pool:
        return {one.name for one, yes in zip(hosts, pool.map(question, hosts), strict=True) if yes}
