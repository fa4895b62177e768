# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the double knows of AWX's API: fields of resources, generated from the argument specs of the modules of awx.awx.

A table has what those do not tell: names of endpoints, which fields are references, what must be unique.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from pathlib import Path

# Options of modules that are no fields of the API
NO_FIELDS = {
    "state",
    "new_name",
    "copy_from",
    "update_secrets",
    "wait",
    "interval",
    "update_project",
    "survey_spec",
    "workflow_nodes",
    "destroy_current_nodes",
    "lookup_organization",
    "approval_node",
}
TYPES = {"str": str, "int": int, "bool": bool, "dict": (dict, str), "list": list, "float": (int, float)}


@dataclass(frozen=True)
class Resource:
    """``references`` are {field: endpoint}, ``related`` {sub-endpoint: endpoint of what is associated there}."""

    kind: str
    module: str
    identity: tuple = ("name",)
    references: dict = field(default_factory=dict)
    related: dict = field(default_factory=dict)
    required: tuple = ("name",)
    more: tuple = ()  # fields that the module sends and its options do not name
    less: tuple = ()  # options that it looks things up with
    roles: tuple = ()


NOTIFIED = {f"notification_templates_{when}": "notification_templates" for when in ("started", "success", "error")}
ORGANIZATION = {"organization": "organizations"}
RESOURCES = {
    "organizations": Resource(
        "organization",
        "organization",
        references={"default_environment": "execution_environments"},
        related={**NOTIFIED, "galaxy_credentials": "credentials", "instance_groups": "instance_groups"},
        roles=("admin", "member", "read", "execute", "approval", "auditor"),
    ),
    "teams": Resource(
        "team", "team", ("name", "organization"), ORGANIZATION, required=("name", "organization"), roles=("member",)
    ),
    "users": Resource("user", "user", ("username",), required=("username",)),
    "credential_types": Resource("credential_type", "credential_type", required=("name", "kind"), more=("managed",)),
    "credentials": Resource(
        "credential",
        "credential",
        ("name", "organization", "credential_type"),
        {**ORGANIZATION, "credential_type": "credential_types", "user": "users", "team": "teams"},
        required=("name", "credential_type"),
        roles=("admin", "use", "read"),
    ),
    "execution_environments": Resource(
        "execution_environment",
        "execution_environment",
        ("name",),
        {**ORGANIZATION, "credential": "credentials"},
        required=("name", "image"),
    ),
    "projects": Resource(
        "project",
        "project",
        ("name", "organization"),
        {**ORGANIZATION, "credential": "credentials", "default_environment": "execution_environments"},
        related=NOTIFIED,
        required=("name", "organization"),
        roles=("admin", "use", "update", "read"),
    ),
    "inventories": Resource(
        "inventory",
        "inventory",
        ("name", "organization"),
        ORGANIZATION,
        required=("name", "organization"),
        roles=("admin", "use", "read"),
        related={"input_inventories": "inventories", "instance_groups": "instance_groups"},
    ),
    "inventory_sources": Resource(
        "inventory_source",
        "inventory_source",
        ("name", "inventory"),
        {
            "inventory": "inventories",
            "source_project": "projects",
            "credential": "credentials",
            "execution_environment": "execution_environments",
        },
        related=NOTIFIED,
        required=("name", "inventory", "source"),
        less=("organization",),
    ),
    "groups": Resource("group", "group", ("name", "inventory"), {"inventory": "inventories"}, required=("name", "inventory")),
    "job_templates": Resource(
        "job_template",
        "job_template",
        ("name", "organization"),
        {
            **ORGANIZATION,
            "inventory": "inventories",
            "project": "projects",
            "execution_environment": "execution_environments",
            "webhook_credential": "credentials",
        },
        related={**NOTIFIED, "credentials": "credentials", "labels": "labels", "instance_groups": "instance_groups"},
        required=("name", "project", "playbook"),
        less=("credential", "vault_credential"),
        roles=("admin", "execute", "read"),
    ),
    "workflow_job_templates": Resource(
        "workflow_job_template",
        "workflow_job_template",
        ("name", "organization"),
        {**ORGANIZATION, "inventory": "inventories", "webhook_credential": "credentials"},
        related={**NOTIFIED, "notification_templates_approvals": "notification_templates", "labels": "labels"},
        roles=("admin", "execute", "read", "approval"),
    ),
    "workflow_job_template_nodes": Resource(
        "workflow_job_template_node",
        "workflow_job_template_node",
        ("identifier", "workflow_job_template"),
        {
            "workflow_job_template": "workflow_job_templates",
            "unified_job_template": "unified_job_templates",
            "inventory": "inventories",
            "execution_environment": "execution_environments",
        },
        related={
            **{f"{way}_nodes": "workflow_job_template_nodes" for way in ("success", "failure", "always")},
            "credentials": "credentials",
            "labels": "labels",
            "instance_groups": "instance_groups",
        },
        required=("identifier", "workflow_job_template"),
        more=("type",),
        less=("organization",),
    ),
    "notification_templates": Resource(
        "notification_template",
        "notification_template",
        ("name", "organization"),
        ORGANIZATION,
        required=("name", "organization", "notification_type"),
    ),
    "schedules": Resource(
        "schedule",
        "schedule",
        ("name", "unified_job_template"),
        {
            "unified_job_template": "unified_job_templates",
            "inventory": "inventories",
            "execution_environment": "execution_environments",
        },
        related={"credentials": "credentials", "labels": "labels", "instance_groups": "instance_groups"},
        required=("name", "rrule", "unified_job_template"),
        less=("organization",),
    ),
}
# Kinds of templates that run; an approval's is made by its node
UNIFIED = ("job_templates", "workflow_job_templates", "projects", "inventory_sources", "workflow_approval_templates")
APPROVAL_FIELDS = {"name": str, "description": str, "timeout": int}


def fields_of(modules: Path, resource: Resource) -> dict:
    """{field: type or types} that a write may have; the association lists are written at endpoints of their own."""
    spec = _argument_spec((modules / f"{resource.module}.py").read_text(encoding="utf-8"))
    found = {}
    for option, kind in spec.items():
        if option not in NO_FIELDS and option not in resource.less and option not in resource.related:
            found[option] = int if option in resource.references else TYPES.get(kind, object)
    return {**found, **dict.fromkeys(resource.more, object)}


def _argument_spec(source: str) -> dict[str, str]:
    """{option: type} from ``argument_spec = dict(...)`` in a module's main()."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "argument_spec":
            assert isinstance(node.value, ast.Call), "the spec is no longer dict(...)"
            return {keyword.arg or "": _type_of(keyword.value) for keyword in node.value.keywords}
    raise AssertionError("this module has no argument_spec")


def _type_of(value: ast.expr) -> str:
    keywords = value.keywords if isinstance(value, ast.Call) else []
    return next((str(ast.literal_eval(one.value)) for one in keywords if one.arg == "type"), "str")


__all__ = ("APPROVAL_FIELDS", "RESOURCES", "UNIFIED", "Resource", "fields_of")
