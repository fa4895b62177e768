# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a shell needs on a lab: the Azure SDKs, unmodified and with their default endpoints, reach it and nothing else."""

from __future__ import annotations

import shlex
from pathlib import Path

from .config import ROOT


def environment(config: dict, ca_file: Path) -> dict[str, str]:
    """``config`` is the hub process's configuration, ``ca_file`` holds the lab's roots."""
    client = config["tenant"]["clients"][0]
    return {
        "HTTPS_PROXY": f"http://{config['proxy']['host']}:{config['proxy']['port']}",
        "NO_PROXY": "",
        "REQUESTS_CA_BUNDLE": str(ca_file),
        "SSL_CERT_FILE": str(ca_file),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "playbooks" / "collections"),
        "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true",
        "AZURE_TENANT_ID": config["tenant"]["id"],
        "AZURE_CLIENT_ID": client["client_id"],
        "AZURE_CLIENT_SECRET": client["secret"],
        "AZURE_SUBSCRIPTION_ID": config["tenant"]["subscription"],
        "AZURE_POD_IDENTITY_AUTHORITY_HOST": f"http://{config['imds']['host']}:{config['imds']['port']}",
    }


def as_shell(variables: dict[str, str]) -> str:
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())
