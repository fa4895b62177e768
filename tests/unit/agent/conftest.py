# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""In the agent's package the core is called ``gateway``; here it is that of the collection, under both names."""

from __future__ import annotations

import importlib
import pkgutil
import sys

core = importlib.import_module("ansible_collections.rootwave.iot.plugins.module_utils.gateway")
sys.modules["gateway"] = core
for found in pkgutil.walk_packages(core.__path__, core.__name__ + "."):
    sys.modules["gateway" + found.name[len(core.__name__) :]] = importlib.import_module(found.name)
