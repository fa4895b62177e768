# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a gateway or a device trusts and reaches, as its own openssl sees it: the lab's eyes, which know nothing of Rootwave."""

from __future__ import annotations

from .config import HUB, Device, Gateway, Lab
from .fleet import execute

BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
HASHED = "/etc/ssl/certs"


def trusts(lab: Lab, host: Gateway | Device, root_pem: str) -> bool:
    """Whether a root is trusted in any form, whatever its dates: through the bundle file or the hashed directory."""
    forms = (["-no-CApath", "-CAfile", BUNDLE], ["-no-CAfile", "-CApath", HASHED])
    return any(_verifies(lab, host, form, root_pem) for form in forms)


def trusts_in_every_form(lab: Lab, host: Gateway | Device, root_pem: str) -> bool:
    forms = (["-no-CApath", "-CAfile", BUNDLE], ["-no-CAfile", "-CApath", HASHED])
    return all(_verifies(lab, host, form, root_pem) for form in forms)


def reaches_hub(lab: Lab, host: Gateway | Device, port: int = 8883) -> bool:
    """A handshake with the hub through the host's hashed directory, name and chain verified."""
    argv = ["openssl", "s_client", "-connect", f"{HUB}:{port}", "-servername", HUB, "-verify_hostname", HUB]
    argv += ["-CApath", HASHED, "-no-CAfile", "-verify_return_error", "-brief"]
    return execute(lab, host, argv).returncode == 0


def _verifies(lab: Lab, host: Gateway | Device, form: list[str], root_pem: str) -> bool:
    argv = ["openssl", "verify", "-no_check_time", *form]
    return execute(lab, host, argv, stdin=root_pem.encode()).returncode == 0
