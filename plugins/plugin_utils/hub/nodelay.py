# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. Requests through a proxy that do not wait for Nagle's algorithm.

urllib3 leaves TCP_NODELAY off behind a proxy. Head and body of a request are two writes, so the second one then waits for the
far side's delayed acknowledgement, 40 ms on Linux (RFC 896, RFC 1122 4.2.3.2): 40 s for the thousand pages of a large hub.
"""

from __future__ import annotations


def mount(session, *_config, **_options) -> None:
    """Make a requests session prompt; again does nothing. The signature is msrest's session_configuration_callback."""
    from requests.adapters import HTTPAdapter
    from urllib3.connection import HTTPConnection

    class PromptAdapter(HTTPAdapter):
        def proxy_manager_for(self, proxy, **proxy_kwargs):
            return super().proxy_manager_for(proxy, socket_options=HTTPConnection.default_socket_options, **proxy_kwargs)

    present = session.adapters.get("https://")
    if present.__class__.__name__ != PromptAdapter.__name__:
        session.mount("https://", PromptAdapter(max_retries=present.max_retries if present else 0))


__all__ = ("mount",)
