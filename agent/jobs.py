# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""A job as the agent sees it: a process of its own that says when a record changed, and that it ended by closing its pipe."""

from __future__ import annotations

import json
import os
import subprocess
import sys


class Job:
    """One running ``work`` process; a reader for select."""

    def __init__(self, name, section, config_path):
        self.name = name
        self.ended = False
        argv = [sys.executable, "-I", sys.argv[0], "work", name, "--config", config_path]
        text = json.dumps(section).encode("utf-8")  # first of all: a worker that hears nothing ends without a result
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            with self._process.stdin as stream:
                stream.write(text)
        except BrokenPipeError:
            self.ended = False  # it died before it read; its exit code tells

    def fileno(self):
        return self._process.stdout.fileno()

    def read(self):
        """What is there to read; sets ``ended`` at its end."""
        if not os.read(self.fileno(), 4096):
            self.wait()

    def wait(self):
        """Wait for the end; the exit code. What the worker still says is heard, or it would break off in the middle."""
        while os.read(self.fileno(), 4096):
            continue
        self.ended = True
        self._process.stdout.close()
        return self._process.wait()

    @property
    def failed(self):
        return self._process.returncode != 0


__all__ = ("Job",)
