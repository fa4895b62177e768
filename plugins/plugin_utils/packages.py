# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. What to say where a Python package of requirements.txt is missing.

Whoever reads it in AWX has no shell there: the package, the Python that looked for it, and where it belongs are all they get.
"""

from __future__ import annotations

import shlex
import sys

WHERE = (
    "requirements.txt of this collection names every package; in AWX they belong into the job template's execution environment, "
    "built from execution-environment.yml"
)


def not_there(package: str, error: ImportError) -> str:
    """``package`` is what pip installs, one or more; the import may have failed in one that they need themselves."""
    return f"{package} cannot be imported by {sys.executable} ({error}): pip install {shlex.join(package.split())}"


def missing(package: str, error: ImportError) -> str:
    return f"{not_there(package, error)}; {WHERE}"


__all__ = ("WHERE", "missing", "not_there")
