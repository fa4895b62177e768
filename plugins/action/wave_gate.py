# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge the wave before this batch and open the gate for it. Runs on the control node; see the module of the same name."""

from __future__ import annotations

import shlex
import time

from ansible import context
from ansible.plugins.action import ActionBase
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.desired import gate_token
from ansible_collections.rootwave.iot.plugins.plugin_utils import azure_blockers, gate, order_file, twin_gate
from ansible_collections.rootwave.iot.plugins.plugin_utils.evidence import Asked, evidence_of
from ansible_collections.rootwave.iot.plugins.plugin_utils.hub.errors import HubError
from ansible_collections.rootwave.iot.plugins.plugin_utils.waves import SSH, TWIN

# The registers that the roles fill
RESULT, REPORT = "root_certificates_result", "wave_gate_report"
SPEC = {
    "campaign": {"type": "dict", "required": True},
    "waves": {"type": "dict", "required": True},
    "phase": {"type": "str", "required": True, "choices": ["stage", "retire", "revert"]},
    "undo": {"type": "str", "choices": ["stage", "retire"]},
    "azure": {"type": "dict"},
    "twins": {"type": "dict", "options": twin_gate.TWINS},
    "connections": {"type": "dict"},
    "closing": {"type": "bool", "default": False},
}


class ActionModule(ActionBase):
    """Evidence is read from what the gateway tasks of this run registered, and from the hub for waves that go through twins."""

    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        args = self.validate_argument_spec(argument_spec=SPEC)[1]
        batches = args["waves"]["batches"]
        args["undo"], complaint = undone_phase(args)
        if complaint:
            return self._stop(args, task_vars, gate.Verdict(gate.FAIL, {}, (complaint,)), None)
        index, complaint = locate(batches, args["waves"]["hosts"], task_vars, args["closing"])
        if complaint:
            return self._stop(args, task_vars, gate.Verdict(gate.FAIL, {}, (complaint,)), None)
        against = [] if args["closing"] else [*against_in_azure(args, task_vars), *against_the_order(args, index)]
        if against and not self._task.check_mode:
            return self._stop(args, task_vars, gate.Verdict(gate.FAIL, {}, tuple(against)), None)
        for reason in against:
            self._display.warning(f"would stop here: {reason}")
        if args["closing"]:
            if index + 1 < len(batches):
                return {"changed": False, "verdict": "open", "msg": "the next batch's gate judges"}
            return self._judge(args, task_vars, index + 1, batches[index]["wave"])
        return self._judge(args, task_vars, index, batches[index - 1]["wave"] if index else None)

    def _judge(self, args, task_vars, index, last):
        """Judge what is behind batch ``index``: a whole wave at its border, the error budget inside it."""
        if last is None:
            return self._open(args, index, None)
        if self._task.check_mode:
            return self._open(args, index, None, "not judged (check mode)")
        batches, policy = args["waves"]["batches"], args["campaign"]["policy"]
        wave = next(wave for wave in args["waves"]["waves"] if wave["name"] == last)
        if index < len(batches) and batches[index]["wave"] == last:
            hosts = [host for batch in batches[:index] if batch["wave"] == last for host in batch["hosts"]]
            verdict = gate.judge_budget(policy, len(wave["hosts"]), self._evidence(args, wave, hosts, task_vars))
        elif wave.get("via") == TWIN:
            verdict = self._judge_twins(args, wave, task_vars, self._soak if index < len(batches) else None)
        else:
            verdict = gate.judge_wave(policy, self._evidence(args, wave, wave["hosts"], task_vars))
            if index < len(batches):
                verdict = self._soak(policy, verdict)
        if verdict.verdict != gate.PASS:
            return self._stop(args, task_vars, verdict, last)
        return self._open(args, index, verdict)

    def _judge_twins(self, args, wave, task_vars, soak):
        say, policy = self._display.display, args["campaign"]["policy"]
        try:
            asker = twin_gate.TwinGate(args["twins"], asked_of(args), wave, task_vars["hostvars"], say)
            return asker.judge(policy, soak, args["connections"])
        except HubError as exc:
            return gate.Verdict(gate.INCONCLUSIVE, {}, (f"{exc}; {exc.advice}",))

    def _evidence(self, args, wave, hosts, task_vars):
        asked = asked_of(args)
        name = RESULT if wave["mode"] == "run" else REPORT
        return [evidence_of(host, task_vars["hostvars"][host].get(name), asked) for host in hosts]

    def _soak(self, policy, verdict):
        """Wait for what is missing of the soak, on this machine's clock, unless the gate may not wait that long."""
        if verdict.verdict != gate.PASS or verdict.wait <= 0:
            return verdict
        if verdict.wait > policy["gate_timeout"]:
            reason = (
                f"{verdict.wait:.0f} s of the soak of {policy['soak']} s are missing, and gate_timeout is "
                f"{policy['gate_timeout']} s; resume then, what is done is skipped"
            )
            return gate.Verdict(gate.INCONCLUSIVE, verdict.numbers, (reason,))
        self._display.display(f"soak: {verdict.wait:.0f} s")
        end = time.monotonic() + verdict.wait
        while time.monotonic() < end:
            time.sleep(max(0.0, min(10.0, end - time.monotonic())))
        return verdict

    def _open(self, args, index, verdict, word="open"):
        """What the tasks of the next batch need; nothing after the last one."""
        batches, waves = args["waves"]["batches"], args["waves"]["waves"]
        result = {"changed": False, "verdict": word if verdict is None else verdict.verdict}
        if verdict is not None:
            result["numbers"] = verdict.numbers
        result["msg"] = f"gate: {word if verdict is None else in_words(verdict)}"
        self._display.display(result["msg"])
        if index < len(batches):
            wave = next(wave for wave in waves if wave["name"] == batches[index]["wave"])
            result["wave"], result["mode"], result["via"] = wave["name"], wave["mode"], wave.get("via", SSH)
            result["token"] = gate_token(args["campaign"]["digest"], args["phase"], wave["name"])
        return result

    def _stop(self, args, task_vars, verdict, wave):
        about = f"wave {wave}" if wave else "the play"
        return {
            "failed": True,
            "changed": False,
            "verdict": verdict.verdict,
            "numbers": verdict.numbers,
            "reasons": list(verdict.reasons),
            "resume": resume(task_vars, args["campaign"]),
            "msg": f"gate after {about}: {in_words(verdict)}. No further gateway was touched. "
            f"When the cause is mended, resume with: {resume(task_vars, args['campaign'])}",
        }


def undone_phase(args):
    """(the phase that phase revert takes back or None, complaint)."""
    if args["phase"] != "revert":
        return None, None
    if args["undo"] is None:
        return None, "name the phase that is to be taken back: -e rootwave_undo=retire (or stage)"
    return args["undo"], None


def asked_of(args):
    campaign = args["campaign"]
    accepted = tuple(item["finding"] for item in campaign["accept"])
    return Asked(campaign["digest"], args["phase"], args["undo"], accepted)


def against_the_order(args, index):
    """Why no twin wave of this run could be ordered: said before its first wave, not after days of the others."""
    if index or not any(wave.get("via") == TWIN and wave["mode"] == "run" for wave in args["waves"]["waves"]):
        return []
    try:
        order_file.must_not_be_over(twin_gate.order_for(args["twins"], asked_of(args)), time.time())
    except HubError as exc:
        return [f"{exc}; {exc.advice}"]
    return []


def against_in_azure(args, task_vars):
    """What Azure itself says against retire; nothing where hub_info was not asked."""
    azure = args["azure"] or {}
    if args["phase"] != "retire" or not azure or azure.get("skipped"):
        return []
    if "hubs" not in azure or azure.get("failed"):
        return ["azure: this is no result of hub_info, so nothing is known of the hubs"]
    campaign, hostvars = args["campaign"], task_vars["hostvars"]
    own = [endpoint for host in args["waves"]["hosts"] for endpoint in hostvars[host].get("rootwave_endpoints") or []]
    listed = {endpoint["host"] for endpoint in [*campaign["endpoints"], *own]}
    about_roots = campaign["present"] or campaign["absent"]  # else it is about addresses alone
    present = [anchor["name"] for anchor in campaign["present"]] if about_roots else None
    accepted = [item["finding"] for item in campaign["accept"]]
    found = azure_blockers.blockers(azure, listed, present, accepted)
    return [f"{one.id}: {one.detail}" for one in found]


def locate(batches, hosts, task_vars, closing):
    """(index of the batch that this play is in, complaint). The play must be exactly what campaign and inventory fixed."""
    covered = list(task_vars["ansible_play_hosts_all"])
    if covered != hosts:
        missing = [host for host in hosts if host not in covered]
        return 0, (
            f"the play covers {len(covered)} of {len(hosts)} gateways "
            f"(missing: {', '.join(missing[:5]) or 'none, but the order differs'}); "
            "a wave is judged whole, so run without --limit and without job slices (rootwave.iot.run_wave runs one wave)"
        )
    here = list(task_vars["ansible_play_batch"])
    for index, batch in enumerate(batches):
        if here == batch["hosts"] or (closing and here and set(here) <= set(batch["hosts"])):
            return index, None
    return 0, f"the batch {', '.join(here[:5])} is none that the campaign's waves fixed; do not override serial or strategy"


def in_words(verdict):
    numbers = ", ".join(f"{number} {word}" for word, number in verdict.numbers.items() if number)
    return f"{verdict.verdict}: {numbers or 'no numbers'}" + "".join(f"; {reason}" for reason in verdict.reasons)


def resume(task_vars, campaign):
    """The exact command, from what is known to hold no secret: playbook, inventory, campaign and the run's own two variables."""
    playbook = (context.CLIARGS.get("args") or ["the playbook"])[0]
    command = ["ansible-playbook", playbook]
    for source in task_vars.get("ansible_inventory_sources") or []:
        command += ["-i", source]
    command += ["-e", f"rootwave_campaign={campaign['path']}"]
    for name in ("rootwave_phase", "rootwave_wave", "rootwave_undo"):
        if task_vars.get(name):
            command += ["-e", f"{name}={task_vars[name]}"]
    return shlex.join(command)
