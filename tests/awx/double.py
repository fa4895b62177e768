# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A strict double of AWX's REST API: it keeps objects and refuses what AWX would; it is not AWX, runs no job and knows no rights.

On loopback, with a token. Every write is kept in ``writes``, so that a second run can be shown to have made none.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from .resources import RESOURCES
from .store import APPROVALS, NODES, WORKFLOWS, Refused, Store

TOKEN = "a-token-of-the-double"
VERSION = "24.6.1"
SURVEYED = ("job_templates", WORKFLOWS)


class Double:
    """A context manager; ``url`` is what CONTROLLER_HOST has."""

    def __init__(self, store: Store):
        self.store, self.writes = store, list[tuple[str, str, dict]]()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Double:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        double = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # an answer is two writes, and the second one would wait 40 ms

            def log_message(self, *_args: object) -> None:
                """Quiet."""

            def do_GET(self) -> None:
                self._answer("GET")

            def do_POST(self) -> None:
                self._answer("POST")

            def do_PATCH(self) -> None:
                self._answer("PATCH")

            def do_DELETE(self) -> None:
                self._answer("DELETE")

            def _answer(self, method: str) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                try:
                    if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                        raise Refused(401, {"detail": "Authentication credentials were not provided."})
                    status, said = double.answer(method, self.path, json.loads(body) if body else {})
                except Refused as exc:
                    status, said = exc.status, exc.said
                data = b"" if status == 204 else json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.send_header("X-API-Product-Name", "AWX")
                self.send_header("X-API-Product-Version", VERSION)
                self.end_headers()
                self.wfile.write(data)

        return Handler

    def answer(self, method: str, target: str, data: dict) -> tuple[int, dict]:
        """(HTTP status, JSON); raises Refused."""
        url = urlsplit(target)
        parts = url.path.strip("/").split("/")
        if parts[:2] != ["api", "v2"] or not url.path.endswith("/"):
            raise Refused(404, {"detail": "Not found."})
        with self._lock:
            status, said = self._routed(method, parts[2:], dict(parse_qsl(url.query, keep_blank_values=True)), data)
            if method != "GET":
                self.writes.append((method, url.path, data))
        return status, said

    def _routed(self, method: str, parts: list[str], query: dict, data: dict) -> tuple[int, dict]:
        endpoint, identity = parts[0], int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else 0
        if len(parts) == 1:
            return self._collection(method, endpoint, query, data)
        if endpoint == "project_updates" and method == "GET":
            return 200, self.store.updates[identity]
        if endpoint == "roles" and len(parts) == 3:
            return self._role(method, identity, parts[2], data)
        if len(parts) == 2 and identity:
            return self._one(method, endpoint, identity, data)
        if len(parts) == 3 and identity:
            return self._related(method, endpoint, identity, parts[2], data)
        raise Refused(404, {"detail": "Not found."})

    def _collection(self, method: str, endpoint: str, query: dict, data: dict) -> tuple[int, dict]:
        if method == "POST":
            return 201, self._shown(endpoint, self.store.create(endpoint, data))
        return 200, _page([self._shown(endpoint, one) for one in self.store.search(endpoint, query)])

    def _one(self, method: str, endpoint: str, identity: int, data: dict) -> tuple[int, dict]:
        if method == "PATCH":
            return 200, self._shown(endpoint, self.store.change(endpoint, identity, data))
        if method == "DELETE":
            self.store.delete(endpoint, identity)
            return 204, {}
        return 200, self._shown(endpoint, self.store.find(endpoint, identity))

    def _related(self, method: str, endpoint: str, identity: int, name: str, data: dict) -> tuple[int, dict]:
        self.store.find(endpoint, identity)
        if name == "survey_spec" and endpoint in SURVEYED:
            return self._survey(method, (endpoint, identity), data)
        if name == "create_approval_template" and endpoint == NODES and method == "POST":
            return 201, self._shown(APPROVALS, self.store.approve_at(identity, data))
        if name == "update" and endpoint == "projects" and method == "POST":
            made = self.store.sync(identity)
            return 202, {**made, "url": f"/api/v2/project_updates/{made['id']}/"}
        if endpoint not in RESOURCES or name not in RESOURCES[endpoint].related:
            raise Refused(404, {"detail": "Not found."})
        if method == "POST":
            self.store.associate(endpoint, identity, name, data)
            return 204, {}
        target = RESOURCES[endpoint].related[name]
        ids = self.store.associated.get((endpoint, identity, name), [])
        return 200, _page([self._shown(target, self.store.find(target, one)) for one in ids])

    def _survey(self, method: str, key: tuple[str, int], data: dict) -> tuple[int, dict]:
        if method == "POST":
            if set(data) != {"name", "description", "spec"} or not data["spec"]:
                raise Refused(400, {"error": "a survey has a name, a description and questions"})
            self.store.surveys[key] = data
        if method == "DELETE":
            self.store.surveys.pop(key, None)
        return 200, self.store.surveys.get(key, {})

    def _role(self, method: str, identity: int, actors: str, data: dict) -> tuple[int, dict]:
        if identity not in self.store.roles or actors not in ("users", "teams"):
            raise Refused(404, {"detail": "Not found."})
        granted = self.store.granted.setdefault((identity, actors), [])
        if method == "GET":
            return 200, _page([self.store.find(actors, one) for one in granted])
        self.store.find(actors, data["id"])
        granted.remove(data["id"]) if data.get("disassociate") else granted.append(data["id"])
        return 204, {}

    def _shown(self, endpoint: str, found: dict) -> dict:
        """An object with its related addresses, and the ids of its roles."""
        endpoint = found["url"].split("/")[3]
        related = {name: f"{found['url']}{name}/" for name in (RESOURCES[endpoint].related if endpoint in RESOURCES else ())}
        if endpoint in SURVEYED:
            related["survey_spec"] = f"{found['url']}survey_spec/"
        if endpoint == "projects":
            related["update"] = f"{found['url']}update/"
        if found.get("unified_job_template"):
            kind = self.store.search("unified_job_templates", {"id": str(found["unified_job_template"])})
            related["unified_job_template"] = kind[0]["url"]
        ways = {
            f"{way}_nodes": self.store.associated.get((NODES, found["id"], f"{way}_nodes"), [])
            for way in ("success", "failure", "always")
        }
        roles = {
            f"{role}_role": {"id": number}
            for number, (kind, identity, role) in self.store.roles.items()
            if (kind, identity) == (endpoint, found["id"])
        }
        return {**found, **(ways if endpoint == NODES else {}), "related": related, "summary_fields": {"object_roles": roles}}


def _page(found: list[dict]) -> dict:
    return {"count": len(found), "next": None, "previous": None, "results": found}
