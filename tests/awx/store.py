# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The double's objects, and everything that it refuses: an unknown field, an unknown reference, a second one of the same name."""

from __future__ import annotations

import itertools
from pathlib import Path

from .resources import APPROVAL_FIELDS, RESOURCES, UNIFIED, fields_of

APPROVALS, NODES, WORKFLOWS = "workflow_approval_templates", "workflow_job_template_nodes", "workflow_job_templates"
MANAGED = {  # credential types that AWX ships with, by name: kind
    "Machine": "ssh",
    "Source Control": "scm",
    "Microsoft Azure Resource Manager": "cloud",
    "Red Hat Ansible Automation Platform": "cloud",
}

WEBHOOK = {"headers": {}, "http_method": "POST", "disable_ssl_verification": False, "username": "", "password": ""}


class Refused(Exception):
    """An answer other than 2xx: HTTP status and what the API says."""

    def __init__(self, status: int, said: dict):
        super().__init__(str(said))
        self.status, self.said = status, said


class Store:
    """Objects by endpoint and id. ``playbooks`` are what a project's sync finds; none of it where ``syncs`` is False."""

    def __init__(self, modules: Path, playbooks=(), syncs=True):
        self.fields = {endpoint: fields_of(modules, resource) for endpoint, resource in RESOURCES.items()}
        self.objects: dict[str, dict[int, dict]] = {
            endpoint: {} for endpoint in (*RESOURCES, APPROVALS, "labels", "instance_groups")
        }
        self.associated: dict[tuple[str, int, str], list[int]] = {}
        self.surveys: dict[tuple[str, int], dict] = {}
        self.roles: dict[int, tuple[str, int, str]] = {}
        self.granted: dict[tuple[int, str], list[int]] = {}
        self.updates: dict[int, dict] = {}
        self.playbooks, self.syncs = set(playbooks), syncs
        self._numbers = itertools.count(1)
        for name, kind in MANAGED.items():
            self._put("credential_types", {"name": name, "kind": kind, "managed": True})

    # what there is

    def find(self, endpoint: str, identity: int) -> dict:
        return self._of(endpoint, identity)[1]

    def _of(self, endpoint: str, identity: int) -> tuple[str, dict]:
        for one in UNIFIED if endpoint == "unified_job_templates" else (endpoint,):
            if identity in self.objects.get(one, {}):
                return one, self.objects[one][identity]
        raise Refused(404, {"detail": "Not found."})

    def search(self, endpoint: str, query: dict[str, str]) -> list[dict]:
        """Exact values; ``or__`` ones are alternatives. A field that the resource has not is refused, as AWX does."""
        if endpoint != "unified_job_templates" and endpoint not in self.objects:
            raise Refused(404, {"detail": "Not found."})
        query = {key: value for key, value in query.items() if key not in ("page", "page_size", "order_by")}
        for key in query:
            self._must_have(endpoint, key.removeprefix("or__"))
        kinds = UNIFIED if endpoint == "unified_job_templates" else (endpoint,)
        found = [one for kind in kinds for one in self.objects[kind].values()]
        either = {key[4:]: value for key, value in query.items() if key.startswith("or__")}
        plain = {key: value for key, value in query.items() if not key.startswith("or__") and value != "None"}
        return [
            one
            for one in found
            if all(str(self._value(endpoint, one, key)) == value for key, value in plain.items())
            and (not either or any(str(one.get(key)) == value for key, value in either.items()))
        ]

    def _must_have(self, endpoint: str, key: str) -> None:
        """A field, or one of what a field refers to: ``inventory__organization__name``."""
        name, _sep, further = key.partition("__")
        target = RESOURCES[endpoint].references.get(name) if endpoint in RESOURCES else None
        if further and target:
            self._must_have(target, further)
        elif further or name not in {"id", "name", "organization", *self.fields.get(endpoint, ())}:
            raise Refused(400, {"detail": f"{endpoint} has no field named '{key}'"})

    def _value(self, endpoint: str, found: dict, key: str):
        name, _sep, further = key.partition("__")
        if not further or found.get(name) is None:
            return found.get(name)
        target, other = self._of(RESOURCES[endpoint].references[name], found[name])
        return self._value(target, other, further)

    # writes

    def create(self, endpoint: str, data: dict) -> dict:
        if endpoint not in RESOURCES:
            raise Refused(405, {"detail": 'Method "POST" not allowed.'})
        missing = [name for name in RESOURCES[endpoint].required if data.get(name) in (None, "")]
        if missing:
            raise Refused(400, {name: ["This field is required."] for name in missing})
        self._check(endpoint, data, None)
        return self._put(endpoint, _with_defaults(endpoint, data))

    def change(self, endpoint: str, identity: int, data: dict) -> dict:
        endpoint, found = self._of(endpoint, identity)
        if found.get("managed"):
            raise Refused(403, {"detail": "Modifications not allowed for managed credential types"})
        if endpoint == APPROVALS:
            self._check_fields(APPROVAL_FIELDS, data)
        else:
            self._check(endpoint, data, identity)
        found.update(_with_defaults(endpoint, data))
        return found

    def delete(self, endpoint: str, identity: int) -> None:
        endpoint, found = self._of(endpoint, identity)
        used = self._users_of(endpoint, identity)
        if endpoint in ("credential_types", "execution_environments") and used:
            raise Refused(400, {"detail": f"{found['name']} is in use by {used[0]}"})
        if endpoint == WORKFLOWS:
            for node in [one["id"] for one in self.objects[NODES].values() if one["workflow_job_template"] == identity]:
                self.delete(NODES, node)
        if endpoint == "inventories":
            for kind in ("groups", "inventory_sources"):
                self.objects[kind] = {key: one for key, one in self.objects[kind].items() if one["inventory"] != identity}
        if endpoint in UNIFIED:
            of_it = {key: one for key, one in self.objects["schedules"].items() if one["unified_job_template"] != identity}
            self.objects["schedules"] = of_it
        if endpoint == NODES and found.get("unified_job_template") in self.objects[APPROVALS]:
            del self.objects[APPROVALS][found["unified_job_template"]]
        del self.objects[endpoint][identity]
        for key, ids in self.associated.items():
            self.associated[key] = [one for one in ids if one != identity or not key[2].endswith("_nodes")]

    def approve_at(self, node: int, data: dict) -> dict:
        """The approval template of a node."""
        self._check_fields(APPROVAL_FIELDS, data)
        if not data.get("name"):
            raise Refused(400, {"name": ["This field is required."]})
        made = self._put(APPROVALS, {"description": "", "timeout": 0, **data})
        self.find(NODES, node)["unified_job_template"] = made["id"]
        return made

    def associate(self, endpoint: str, identity: int, name: str, data: dict) -> None:
        target = RESOURCES[endpoint].related[name]
        other, ids = data.get("id"), self.associated.setdefault((endpoint, identity, name), [])
        if not isinstance(other, int) or set(data) - {"id", "disassociate"}:
            raise Refused(400, {"detail": "an id is wanted, and nothing else but disassociate"})
        if data.get("disassociate"):
            ids.remove(other)
            return
        self.find(target, other)
        if name.endswith("_nodes") and self._reaches(other, identity):
            raise Refused(400, {"detail": "Cycle detected."})
        ids.append(other)

    def _reaches(self, start: int, end: int) -> bool:
        ways = [self.associated.get((NODES, start, f"{way}_nodes"), []) for way in ("success", "failure", "always")]
        return start == end or any(self._reaches(one, end) for way in ways for one in way)

    def sync(self, project: int) -> dict:
        """A project's update, ended at once."""
        found = self.find("projects", project)
        status = "successful" if self.syncs else "failed"
        found.update(status=status, scm_revision="0" * 40 if self.syncs else "")
        number = next(self._numbers)
        self.updates[number] = {
            "id": number,
            "status": status,
            "failed": not self.syncs,
            "finished": "now",
            "scm_revision": found["scm_revision"],
        }
        return self.updates[number]

    # rules

    def _check(self, endpoint: str, data: dict, identity: int | None) -> None:
        resource = RESOURCES[endpoint]
        self._check_fields(self.fields[endpoint], data)
        for name, target in resource.references.items():
            if data.get(name) not in (None, ""):
                self._refer(name, target, data[name])
        after = {**(self.objects[endpoint][identity] if identity else {}), **data}
        same = [
            one for one in self.objects[endpoint].values() if all(one.get(key) == after.get(key) for key in resource.identity)
        ]
        if any(one["id"] != identity for one in same):
            raise Refused(400, {"__all__": [f"{resource.kind} with this {' and '.join(resource.identity)} already exists."]})
        if endpoint == "job_templates" and after["playbook"] not in self._found_in(after["project"]):
            raise Refused(400, {"playbook": ["Playbook not found for project."]})

    def _found_in(self, project: int) -> set[str]:
        return self.playbooks if self.find("projects", project).get("status") == "successful" else set()

    def _refer(self, name: str, target: str, value) -> None:
        try:
            self.find(target, value)
        except Refused:
            raise Refused(400, {name: [f'Invalid pk "{value}" - object does not exist.']}) from None

    @staticmethod
    def _check_fields(fields: dict, data: dict) -> None:
        unknown = sorted(set(data) - set(fields))
        if unknown:
            raise Refused(400, {name: ["this field is not known"] for name in unknown})
        for name, value in data.items():
            if value not in (None, "") and fields[name] is not object and not isinstance(value, fields[name]):
                raise Refused(400, {name: [f"{value!r} is of another type"]})

    def _users_of(self, endpoint: str, identity: int) -> list[str]:
        return [
            f"{kind} {one.get('name') or one.get('identifier')}"
            for kind, resource in RESOURCES.items()
            for name, target in resource.references.items()
            if target == endpoint
            for one in self.objects[kind].values()
            if one.get(name) == identity
        ]

    def _put(self, endpoint: str, data: dict) -> dict:
        number = next(self._numbers)
        kind = RESOURCES[endpoint].kind if endpoint in RESOURCES else "workflow_approval_template"
        found = {**data, "id": number, "type": kind, "url": f"/api/v2/{endpoint}/{number}/"}
        self.objects[endpoint][number] = found
        for role in RESOURCES[endpoint].roles if endpoint in RESOURCES else ():
            self.roles[next(self._numbers)] = (endpoint, number, role)
        if endpoint == "projects":
            self.sync(number)
        if endpoint == "inventories" and data.get("kind") == "constructed":
            name = f"Auto-created source for: {data['name']}"
            self._put("inventory_sources", {"name": name, "inventory": number, "source": "constructed"})
        return found


def _with_defaults(endpoint: str, data: dict) -> dict:
    """AWX completes what a webhook's configuration leaves out, and then shows the whole."""
    known = data.get("notification_configuration")
    if endpoint != "notification_templates" or not isinstance(known, dict):
        return data
    return {**data, "notification_configuration": {**WEBHOOK, **known}}


__all__ = ("APPROVALS", "NODES", "WORKFLOWS", "Refused", "Store")
