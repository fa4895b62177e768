# SPDX-FileCopyrightText: Rootwave contributors
# SPDX-License-Identifier: Apache-2.0
"""One line for the system's journal, which adds time and unit."""

from __future__ import annotations

import sys


def say(text):
    sys.stderr.write(f"rootwave: {text}\n")
    sys.stderr.flush()


__all__ = ("say",)
