# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from .debian_gateway import Gateway


@pytest.fixture
def gateway(tmp_path):
    return Gateway(tmp_path / "gateway")
