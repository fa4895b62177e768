# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection. The hub port: what this collection asks of an IoT hub's service REST API, version 2021-04-12.

Documents are plain JSON values as the API gives them; every failure is an errors.HubError. Two implementations (sdk.py over
azure-iot-hub, pipeline.py over azure-core) pass one contract suite, tests/hub/test_contract.py; throttle.py wraps either.
"""

from __future__ import annotations

import abc
from collections.abc import Iterator
from typing import Any, NamedTuple

from .errors import HubError

ANSWER_MOST = 16 * 1024 * 1024  # bytes; a page of a thousand full twins stays below


def no_step(name: str) -> str:
    """An id as it is; ``.`` and ``..`` would be taken for steps in a path (RFC 3986, 5.2.4) and lead to another resource."""
    if name in ("", ".", ".."):
        raise HubError(f"{name!r} is no id of anything at a hub; nothing was sent", code="BadOptions")
    return name


class Page(NamedTuple):
    """One page of a query; ``continuation`` is None on the last."""

    items: list[dict]
    item_type: str
    continuation: str | None


class HubService(abc.ABC):
    """``etag`` is without quotes, ``*`` for any; ``module`` is a module's id on that device."""

    host: str

    @abc.abstractmethod
    def get_twin(self, device: str, module: str | None = None) -> dict:
        """The twin, always current, unlike a query."""

    @abc.abstractmethod
    def patch_twin(self, device: str, patch: dict, etag: str = "*", module: str | None = None) -> dict:
        """RFC 7386 on {"tags", "properties": {"desired"}}; null removes. The changed twin."""

    @abc.abstractmethod
    def replace_twin(self, device: str, twin: dict, etag: str = "*", module: str | None = None) -> dict:
        """Tags and desired properties become exactly these."""

    @abc.abstractmethod
    def query_page(self, text: str, size: int = 100, continuation: str | None = None) -> Page:
        """One page; queries may be late by seconds, in bad times by half an hour (azure-docs query-twins)."""

    @abc.abstractmethod
    def get_identity(self, device: str, module: str | None = None) -> dict:
        """The registry's entry."""

    @abc.abstractmethod
    def put_identity(self, device: str, document: dict, etag: str | None = None, module: str | None = None) -> dict:
        """Create it without an etag (the hub makes keys that are not given), change it with one."""

    @abc.abstractmethod
    def delete_identity(self, device: str, etag: str = "*", module: str | None = None) -> None:
        """With its twin, and a device with its modules."""

    @abc.abstractmethod
    def list_modules(self, device: str) -> list[dict]:
        """The identities of a device's modules."""

    @abc.abstractmethod
    def invoke_method(
        self,
        device: str,
        name: str,
        payload: Any,
        response_timeout: int = 30,
        connect_timeout: int = 0,
        module: str | None = None,
    ) -> dict:
        """{"status", "payload"}; times are seconds."""

    @abc.abstractmethod
    def create_job(self, job: str, document: dict) -> dict:
        """A scheduled job over device twins; modules cannot be addressed."""

    @abc.abstractmethod
    def get_job(self, job: str) -> dict:
        """Its state and counts."""

    @abc.abstractmethod
    def cancel_job(self, job: str) -> dict:
        """Only one that has not begun."""

    @abc.abstractmethod
    def get_configuration(self, name: str) -> dict:
        """An automatic configuration with its metrics."""

    @abc.abstractmethod
    def put_configuration(self, name: str, document: dict, etag: str | None = None) -> dict:
        """Create it without an etag, change it with one; its content never changes."""

    @abc.abstractmethod
    def delete_configuration(self, name: str, etag: str = "*") -> None:
        """Its settings are taken from the twins again."""

    @abc.abstractmethod
    def list_configurations(self) -> list[dict]:
        """All of them: a hub has at most a hundred."""

    @abc.abstractmethod
    def test_configuration(self, target_condition: str, metric_queries: dict[str, str]) -> dict:
        """{"targetConditionError", "customMetricQueryErrors"}."""

    @abc.abstractmethod
    def registry_statistics(self) -> dict:
        """{"totalDeviceCount", "enabledDeviceCount", "disabledDeviceCount"}."""

    @abc.abstractmethod
    def service_statistics(self) -> dict:
        """{"connectedDeviceCount"}."""

    def pages(self, text: str, size: int = 100) -> Iterator[Page]:
        """All pages of a query, one call each."""
        continuation = None
        while True:
            page = self.query_page(text, size, continuation)
            yield page
            continuation = page.continuation
            if continuation is None:
                return


__all__ = ("ANSWER_MOST", "HubService", "Page", "no_step")
