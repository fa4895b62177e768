# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge the wave before this batch and open the gate for it. Runs on the control node; see the module of the same name."""

from __future__ import annotations

import time

from ansible.plugins.action import ActionBase
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.desired import gate_token
from ansible_collections.rootwave.iot.plugins.plugin_utils import approval, approved_wave, gate, twin_gate, wave_play
from ansible_collections.rootwave.iot.plugins.plugin_utils.approval_text import description
from ansible_collections.rootwave.iot.plugins.plugin_utils.evidence import evidence_of
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
    "closing": {"type": "bool", "default": False},
    "judging": {"type": "bool", "default": False},
    "evidence": {"type": "raw"},
    "evidence_required": {"type": "bool", "default": False},
    "sliced": {"type": "bool", "default": False},
}


class ActionModule(ActionBase):
    """Evidence is read from what the gateway tasks of this run registered, and from the hub for waves that go through twins."""

    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        args = self.validate_argument_spec(argument_spec=SPEC)[1]
        batches = args["waves"]["batches"]
        args["undo"], complaint = wave_play.undone_phase(args)
        index = 0
        if not complaint:
            index, complaint = wave_play.locate(batches, args["waves"]["hosts"], task_vars, args["closing"])
        if complaint:
            return self._stop(args, task_vars, gate.Verdict(gate.FAIL, {}, (complaint,)), None)
        against = [*wave_play.against_the_start(args, index, task_vars), *self._not_approved(args, index, task_vars)]
        if against and not self._task.check_mode:
            return self._stop(args, task_vars, gate.Verdict(gate.FAIL, {}, tuple(against)), None)
        for reason in against:
            self._display.warning(f"would stop here: {reason}")
        if args["closing"]:
            if index + 1 < len(batches):
                return {"changed": False, "verdict": "open", "msg": "the next batch's gate judges"}
            if args["judging"]:
                return self._publish(args, task_vars, args["waves"]["waves"][-1])
            return self._judge(args, task_vars, index + 1, batches[index]["wave"])
        return self._judge(args, task_vars, index, batches[index - 1]["wave"] if index else None)

    def _judge(self, args, task_vars, index, last):
        """Judge what is behind batch ``index``: a wave at its border; inside it, where a slice always is, its error budget."""
        if last is None:
            return self._open(args, index, None)
        if self._task.check_mode:
            return self._open(args, index, None, "not judged (check mode)")
        batches, policy = args["waves"]["batches"], args["campaign"]["policy"]
        wave = next(wave for wave in args["waves"]["waves"] if wave["name"] == last)
        if args["sliced"] and wave["mode"] == "report":  # its gate saw the whole of it, and what this slice sees was compared
            return self._open(args, index, None, "approved")
        inside = index < len(batches) and batches[index]["wave"] == last
        if inside or (args["sliced"] and wave.get("via") != TWIN):
            hosts = [host for batch in batches[:index] if batch["wave"] == last for host in batch["hosts"]]
            verdict = gate.judge_budget(policy, len(wave["hosts"]), self._evidence(args, wave, hosts, task_vars))
        else:
            verdict, _seen = self._look(args, wave, task_vars, self._soak if index < len(batches) else None)
        if verdict.verdict != gate.PASS:
            return self._stop(args, task_vars, verdict, last)
        return self._open(args, index, verdict)

    def _look(self, args, wave, task_vars, soak):
        """(Verdict, Evidence of each gateway) of a whole wave; ``soak`` waits for what is missing of it, where it is given."""
        policy = args["campaign"]["policy"]
        if wave.get("via") == TWIN:
            return self._look_at_twins(args, wave, task_vars, soak)
        seen = self._evidence(args, wave, wave["hosts"], task_vars)
        verdict = gate.judge_wave(policy, seen)
        return (soak(policy, verdict) if soak else verdict), seen

    def _look_at_twins(self, args, wave, task_vars, soak):
        try:
            asker = self._asker(args, wave, task_vars)
            return asker.judge(args["campaign"]["policy"], soak), asker.found
        except HubError as exc:
            return gate.Verdict(gate.INCONCLUSIVE, {}, (f"{exc}; {exc.advice}",)), []

    def _asker(self, args, wave, task_vars):
        return twin_gate.TwinGate(args["twins"], wave_play.asked_of(args), wave, task_vars["hostvars"], self._display.display)

    def _not_approved(self, args, index, task_vars):
        """Why the approval that this batch needs does not hold, as texts."""
        wanted = approved_wave.needed(args, index)
        if wanted is None:
            return []
        wave, seen = approved_wave.wave_in_play(args, wanted), []
        try:
            if wave and wave.get("via") == TWIN:
                seen = self._asker(args, wave, task_vars).look(args["campaign"]["policy"])
            elif wave:
                seen = self._evidence(args, wave, wave["hosts"], task_vars)
        except HubError as exc:
            return [f"what was approved cannot be compared: {exc}; {exc.advice}"]
        return approved_wave.against(args, wanted, seen, task_vars["groups"].get(wanted.wave, []), time.time())

    def _results(self, wave, task_vars):
        """What the gateways' own tasks registered; devices have none."""
        hosts = wave["hosts"] if wave and wave.get("via") != TWIN else []
        return {host: task_vars["hostvars"][host].get(REPORT) for host in hosts}

    def _publish(self, args, task_vars, wave):
        """What people are asked to approve, the soak over: never a failure, for a refusal is published too."""
        verdict, seen = self._look(args, wave, task_vars, self._soak)
        wanted = approval.Wanted(args["campaign"]["digest"], args["phase"], wave["name"])
        following = approved_wave.following(args, wave["name"])
        evidence = approval.made(wanted, verdict, approval.digests(seen), time.time(), following)
        results, campaign = self._results(wave, task_vars), args["campaign"]
        text = description(campaign["name"], evidence, results, campaign["policy"]["evidence_max_age"], seen)
        words = wave_play.in_words(verdict)
        self._display.display(f"gate of wave {wave['name']}: {words}")
        return {
            "changed": False,
            "verdict": verdict.verdict,
            "numbers": verdict.numbers,
            "reasons": list(verdict.reasons),
            "evidence": evidence,
            "description": text,
            "msg": f"gate of wave {wave['name']}: {words}",
        }

    def _evidence(self, args, wave, hosts, task_vars):
        asked = wave_play.asked_of(args)
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
        result["msg"] = f"gate: {word if verdict is None else wave_play.in_words(verdict)}"
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
            "resume": wave_play.resume(task_vars, args["campaign"]),
            "msg": f"gate after {about}: {wave_play.in_words(verdict)}. No further gateway was touched. "
            f"When the cause is mended, resume with: {wave_play.resume(task_vars, args['campaign'])}",
        }
