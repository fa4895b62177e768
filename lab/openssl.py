# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a gateway or a device trusts and reaches, as its own openssl sees it: the lab's eyes, which know nothing of Rootwave."""

from __future__ import annotations

from collections.abc import Sequence

from .config import HUB, Device, Gateway, Lab
from .fleet import execute

BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
HASHED = "/etc/ssl/certs"
HANDSHAKE_MOST = "10"  # seconds; a filter that drops would keep it waiting for minutes
FORMS = (f"-no-CApath -CAfile {BUNDLE}", f"-no-CAfile -CApath {HASHED}")
CHECKS = [f'printf %s "$pem" | openssl verify -no_check_time {form}' for form in FORMS]
ANY = f"for pem; do {CHECKS[0]} && exit 0; {CHECKS[1]} && exit 0; done; exit 1"
EVERY = f"for pem; do {CHECKS[0]} && {CHECKS[1]} || exit 1; done"


def trusts(lab: Lab, host: Gateway | Device, *root_pems: str) -> bool:
    """Whether one of these is trusted in any form, whatever its dates: through the bundle file or the hashed directory."""
    return _asked(lab, host, ANY, root_pems)


def trusts_in_every_form(lab: Lab, host: Gateway | Device, root_pem: str) -> bool:
    return _asked(lab, host, EVERY, [root_pem])


def reaches_hub(lab: Lab, host: Gateway | Device, port: int = 8883) -> bool:
    """A handshake with the hub through the host's hashed directory, name and chain verified."""
    argv = [
        "timeout",
        HANDSHAKE_MOST,
        "openssl",
        "s_client",
        "-connect",
        f"{HUB}:{port}",
        "-servername",
        HUB,
        "-verify_hostname",
        HUB,
    ]
    argv += ["-CApath", HASHED, "-no-CAfile", "-verify_return_error", "-brief"]
    return execute(lab, host, argv).returncode == 0


def _asked(lab: Lab, host: Gateway | Device, script: str, root_pems: Sequence[str]) -> bool:
    """One call for all forms and roots: a fleet is asked often."""
    return execute(lab, host, ["sh", "-c", script, "sh", *root_pems]).returncode == 0
