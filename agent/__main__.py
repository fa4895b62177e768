# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""``python3 -I rootwave-agent.pyz COMMAND``: run (the unit), inbox (the path unit), work (one job, by the agent), version."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
import traceback

from gateway.errors import TrustError

from . import config, lean
from .log import say
from .version import VERSION

# what the idle agent consists of
MODULES = ["agent." + name for name in ("backoff", "jobs", "loop", "orders", "records", "reported", "session", "status")]
MODULES += ["agent.transport", "gateway.stores.layouts"]
MODULES += ["gateway." + name for name in ("files", "model", "pem", "probe", "tunnel")]
MODULES += ["paho.mqtt." + name for name in ("client", "enums", "matcher", "packettypes", "properties", "reasoncodes")]


# seconds that a worker waits for another one, which an agent that was killed may have left: as long as one waits for the lock
WORKER_WAIT = 120.0


def main():
    parser = argparse.ArgumentParser(prog="rootwave-agent", description="Trust changes ordered through a device twin.")
    parser.add_argument("command", choices=("run", "inbox", "work", "version"))
    parser.add_argument("job", nargs="?", choices=("orders", "commit", "revert", "settle"))
    parser.add_argument("--config", default=config.PATH)
    arguments = parser.parse_args()
    if arguments.command == "version":
        sys.stdout.write(VERSION + "\n")
        return 0
    try:
        settings = config.load(arguments.config)
        return {"run": run, "inbox": inbox, "work": work}[arguments.command](settings, arguments)
    except (TrustError, OSError) as exc:
        say(str(exc))
        return 1


def run(settings, arguments):
    if settings.front_end != "module":
        say(f"front_end is {settings.front_end}: rootwave-inbox.path does the work")
        return 0
    lean.compile_elsewhere(MODULES)
    from .jobs import Job
    from .loop import Agent
    from .session import Session

    os.chdir("/")
    wake = _stop_signals()
    Agent(settings, Session, lambda name, section: Job(name, section, arguments.config), wake).run()
    return 0


def inbox(settings, arguments):
    from .inbox import Inbox, clear
    from .jobs import Job

    if settings.front_end != "inbox":
        say(f"front_end is {settings.front_end}: rootwave-agent.service does the work, and nobody reads the inbox")
        clear(settings)
        return 0
    return Inbox(settings, lambda name, section: Job(name, section, arguments.config), _stop_signals()).run()


def work(settings, arguments):
    from gateway.processes import Lock

    from .worker import Worker

    text = sys.stdin.read()
    if not text:
        say("nobody said what to do: the agent that started this is gone")
        return 1
    try:
        with Lock(settings.path("worker.lock"), wait=WORKER_WAIT):
            Worker(settings, _tell).run(arguments.job, json.loads(text))
    except (TrustError, OSError):
        raise
    except Exception:  # the agent sees the exit code, a human the journal
        say(f"unexpected: {traceback.format_exc()}")
        return 1
    return 0


def _tell():
    """A line to the agent. Where it was killed meanwhile, the work goes on all the same: the records are on disk."""
    with contextlib.suppress(BrokenPipeError):
        os.write(1, b"changed\n")


def _stop_signals():
    """A reader that is ready once SIGTERM or SIGINT has come."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_args: None)
    return reader


if __name__ == "__main__":
    sys.exit(main())
