# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""Who runs the revert program when nobody else does: a transient timer now, a unit at the next boot.

Without systemd a detached process waits instead; it does not survive a power cut, and the report says so
(``power_safe: false``).
"""

from __future__ import annotations

import os
import subprocess
import sys

from . import files
from .errors import CommandFailed, UnsupportedGateway
from .processes import PATH, run, systemd_runs

UNIT_DIR = "/etc/systemd/system"
BOOT_UNIT = """\
# Written by Rootwave while a trust change is not committed; removed when it is.
[Unit]
Description=Rootwave: revert trust change {identity} that was not committed before the reboot
# what loads a ruleset at boot loads ours too; taking it back before that would leave it in the kernel
After=local-fs.target nftables.service netfilter-persistent.service firewalld.service ufw.service
After=ipset.service iptables.service ip6tables.service
ConditionPathExists={folder}
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart={python} -I {folder}
Restart=on-failure
RestartSec=30

[Install]
WantedBy=multi-user.target
"""


def unit_name(identity):
    return "rootwave-revert-{0}".format(identity)


def deadline_name(identity):
    return "rootwave-deadline-{0}".format(identity)


def arm(identity, folder, seconds):
    """See to it that ``python3 -I folder`` runs in ``seconds``, and at boot. Raises CommandFailed, UnsupportedGateway."""
    if not sys.executable:
        raise UnsupportedGateway("Python does not know its own path; a revert cannot be armed")
    if not systemd_runs():
        _wait_detached(folder, seconds)
        return
    unit = os.path.join(UNIT_DIR, unit_name(identity) + ".service")
    text = BOOT_UNIT.format(identity=identity, folder=folder, python=sys.executable)
    files.write(unit, text.encode("utf-8"))
    wanted = _wanted_by(identity)
    os.makedirs(os.path.dirname(wanted), exist_ok=True)
    if not os.path.islink(wanted):
        os.symlink(unit, wanted)
    files.sync_folder(os.path.dirname(wanted))
    run(
        [
            "systemd-run",
            "--quiet",
            "--unit=" + deadline_name(identity),
            "--description=Rootwave: revert trust change {0} unless it is committed".format(identity),
            "--on-active={0}".format(int(seconds)),
            "--timer-property=AccuracySec=100ms",
            # a change that ended while systemd was waiting to try again has no folder any more
            "--property=ConditionPathExists=" + folder,
            "--property=Restart=on-failure",
            "--property=RestartSec=30",
            "--property=StartLimitIntervalSec=0",
            sys.executable,
            "-I",
            folder,
        ]
    )


def disarm(identity):
    """Remove the boot unit and stop the timer; safe to run again, and from within the revert program itself."""
    files.remove(_wanted_by(identity))
    files.remove(os.path.join(UNIT_DIR, unit_name(identity) + ".service"))
    if systemd_runs():
        try:
            run(["systemctl", "stop", deadline_name(identity) + ".timer"])
        except CommandFailed:
            return  # it has fired already (this may be its own run), or the gateway was booted since


def _wanted_by(identity):
    return os.path.join(UNIT_DIR, "multi-user.target.wants", unit_name(identity) + ".service")


def _wait_detached(folder, seconds):
    """The program itself finds out, after waiting, whether the change was committed meanwhile."""
    subprocess.Popen(
        [sys.executable, "-I", folder, str(int(seconds))],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        close_fds=True,
        cwd="/",
        env={"PATH": PATH, "LC_ALL": "C"},
    )


__all__ = ("arm", "disarm")
