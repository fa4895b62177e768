# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A yardstick for bounds of processor time, measured in the same run: a machine that is slow today is no defect."""

from __future__ import annotations

import time

ADDITIONS = 5_000_000
USUAL = 0.33  # seconds of processor time that they take where the bounds were set


def slowness() -> float:
    """How many times the usual a fixed piece of Python takes here and now; never less than 1."""
    began, total = time.process_time(), 0
    for number in range(ADDITIONS):
        total += number
    return max(1.0, (time.process_time() - began) / USUAL)


__all__ = ("slowness",)
