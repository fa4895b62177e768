# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. JSON over HTTPS through azure-core: one request, one answer or one HubError.

No retries here: what may be asked again, and when, is throttle.py's to decide, the same for both implementations of the hub port.
"""

from __future__ import annotations

import json
from typing import Any

from ..packages import not_there
from .credentials import DeviceAccess, SharedAccess
from .errors import HubError, from_answer, trusted_bundle, unreachable
from .nodelay import mount
from .service import ANSWER_MOST

CONNECT_MOST = 10  # seconds


class RestClient:
    """``credential`` is SharedAccess, DeviceAccess or a TokenCredential; ``timeout`` in seconds is for one call."""

    def __init__(self, host: str, credential, scope: str, timeout: float, api_version: str) -> None:
        try:
            from azure.core import PipelineClient
            from azure.core.pipeline.policies import BearerTokenCredentialPolicy, UserAgentPolicy
            from azure.core.pipeline.transport import RequestsTransport
            from requests import Session
        except ImportError as exc:
            raise HubError(not_there("azure-core", exc), code="NoPackage") from exc
        self.host, self._timeout, self._version = host, timeout, api_version
        self._access = credential if isinstance(credential, (SharedAccess, DeviceAccess)) else None
        policies: list = [UserAgentPolicy(base_user_agent="rootwave.iot")]
        if self._access is None:
            policies.append(BearerTokenCredentialPolicy(credential, scope))
        session = Session()
        mount(session)
        transport = RequestsTransport(session=session, session_owner=False)
        self._client: PipelineClient = PipelineClient(f"https://{host}", policies=policies, transport=transport)

    def ask(self, method: str, path: str, body: Any = None, etag: str | None = None, longer: float = 0) -> Any:
        headers = {} if etag is None else {"If-Match": quoted(etag)}
        answer = self.send(method, path, body, headers, longer)
        try:
            return answer.json()
        except ValueError as exc:
            raise HubError(f"{method} {path} of {self.host}: the answer is not JSON", answer.status_code) from exc

    def send(self, method: str, path: str, body: Any = None, headers: dict | None = None, longer: float = 0):
        from azure.core.exceptions import AzureError
        from azure.core.rest import HttpRequest

        what = f"{method} {path} of {self.host}"
        headers = {"Accept": "application/json", **(headers or {})}
        if self._access:  # a fresh signature each time: it costs nothing and never expires under way
            headers["Authorization"] = self._access.token()
        version = {} if "api-version=" in path else {"api-version": self._version}
        request = HttpRequest(method, f"https://{self.host}{path}", params=version, headers=headers, json=body)
        most = {"connection_timeout": CONNECT_MOST, "read_timeout": self._timeout + longer}
        try:
            answer = self._client.send_request(request, stream=True, **most)
            text = read_limited(answer.iter_bytes(), what)
        except (AzureError, OSError) as exc:  # OSError: requests has no bundle to verify with
            raise unreachable(what, exc, trusted_bundle()) from exc
        if answer.status_code >= 300:
            raise from_answer(what, answer.status_code, answer.headers, text.decode(errors="replace"))
        return Answer(answer.status_code, answer.headers, text)


class Answer:
    def __init__(self, status_code: int, headers, body: bytes) -> None:
        self.status_code, self.headers, self._body = status_code, headers, body

    def json(self) -> Any:
        return json.loads(self._body)


def read_limited(chunks, what: str) -> bytes:
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > ANSWER_MOST:
            raise HubError(f"{what}: the answer is longer than {ANSWER_MOST} bytes")
    return bytes(body)


def quoted(etag: str) -> str:
    """The hub wants its ETags in quotes, ``*`` too is taken so (RFC 9110, 8.8.3)."""
    return etag if etag == "*" else '"' + etag.strip('"') + '"'


__all__ = ("CONNECT_MOST", "RestClient", "quoted", "trusted_bundle")
