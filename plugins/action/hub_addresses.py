# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The address file of an allowlist. Runs on the control node; see the module of the same name."""

from __future__ import annotations

import datetime
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ansible.plugins.action import ActionBase
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.probe import resolve
from ansible_collections.rootwave.iot.plugins.plugin_utils import address_file, address_sources, prefixes, service_tags
from ansible_collections.rootwave.iot.plugins.plugin_utils.prefixes import PrefixError
from ansible_collections.rootwave.iot.plugins.plugin_utils.service_tags import SIZE_MOST, ServiceTagError
from ansible_collections.rootwave.iot.plugins.plugin_utils.whole_file import replace_file

SPEC = {
    "path": {"type": "path", "required": True},
    "service_tags": {"type": "raw"},
    "tags": {"type": "list", "elements": "str", "default": [service_tags.TAG]},
    "pairs": {"type": "bool", "default": True},
    "cloud": {"type": "str", "choices": ["public", "usgov", "china"], "default": "public"},
    "endpoints": {"type": "list", "elements": "str", "default": []},
    "host_names": {"type": "list", "elements": "str", "choices": ["classic", "device", "service"], "default": []},
    "public_endpoints": {"type": "list", "elements": "str", "default": []},
    "private_endpoints": {"type": "list", "elements": "dict", "default": []},
    "extra": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {"prefix": {"type": "str", "required": True}, "source": {"type": "str", "required": True}},
    },
    "private": {"type": "bool", "default": False},
    "ipv6": {"type": "bool", "default": False},
    "timeout": {"type": "int", "default": 10},
}
PORT = 443  # getaddrinfo(3) wants one
WORKERS = 16


class ActionModule(ActionBase):
    """The file is replaced as a whole or not at all."""

    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        args = json.loads(json.dumps(self.validate_argument_spec(argument_spec=SPEC)[1]))
        try:
            if not Path(args["path"]).absolute().parent.is_dir():
                raise PrefixError(f"{args['path']}: its folder is not there; make that first")
            before = entries_in(args["path"])
            entries, warnings = found(args)
            return self._write(args["path"], before, prefixes.keep_stamps(entries, before), warnings)
        except (PrefixError, ServiceTagError, OSError) as exc:
            return {"failed": True, "changed": False, "msg": str(exc)}

    def _write(self, path, before, after, warnings):
        old, new = (address_file.text_of(entries) if entries else "" for entries in (before, after))
        if old != new and not self._task.check_mode:
            replace_file(Path(path), new)
        had, has = ({str(one.network) for one in entries} for entries in (before, after))
        result = {
            "changed": old != new,
            "path": path,
            "prefixes": [one.as_dict() for one in after],
            "added": [str(one.network) for one in after if str(one.network) not in had],
            "removed": [str(one.network) for one in before if str(one.network) not in has],
        }
        if old != new:
            result["diff"] = {"before": old, "after": new, "before_header": path, "after_header": path}
        if warnings:
            result["warnings"] = warnings
        return result


def entries_in(path):
    """What an earlier run wrote, or nothing; a file of something else is never overwritten."""
    if not os.path.exists(path):
        return []
    try:
        return address_file.parse(_text(path, address_file.BYTES_MOST))
    except PrefixError as exc:
        raise PrefixError(f"{path} is no address file: {exc}; move it away to start a new one") from exc


def found(args):
    """(entries, warnings) of all sources together."""
    tagged, warnings = tags_of(args)
    hosts = address_sources.hosts_of(args["endpoints"], args["host_names"])
    public_hosts = address_sources.hosts_of(args["public_endpoints"], args["host_names"])
    answers = answers_for(list(dict.fromkeys(hosts + public_hosts)), args["timeout"])
    today, ipv6 = datetime.datetime.now(datetime.UTC).date().isoformat(), args["ipv6"]
    named = [
        *tagged,
        *address_sources.of_answers({host: answers[host] for host in hosts}, today, ipv6),
        *address_sources.of_private_endpoints(args["private_endpoints"], ipv6),
        *address_sources.of_extra(args["extra"], ipv6),
    ]
    public = list(address_sources.of_answers({host: answers[host] for host in public_hosts}, today, ipv6))
    check(named, prefixes.PRIVATE if args["private"] else prefixes.PUBLIC)
    check(public, prefixes.PUBLIC)
    entries = prefixes.union(named + public)
    if not entries:
        raise PrefixError("no address was named; an empty allowlist would cut every gateway off")
    if len(entries) > prefixes.MOST:
        raise PrefixError(f"these are {len(entries)} prefixes, at most {prefixes.MOST} are taken; name regions with tags")
    outside = address_sources.outside_tags(entries) if tagged else []
    return entries, warnings + [
        f"{one.network} ({one.source}) is in no service tag; are they of its region, and new?" for one in outside
    ]


def check(named, meant):
    """Raises PrefixError for the first (prefix, source) that no allowlist may have, or that is not of the kind that is meant."""
    for network, source in named:
        try:
            address_file.checked_source(source)  # a tag's name is somebody else's text as well
            prefixes.must_be_usable(network, (meant,))
        except PrefixError as exc:
            raise PrefixError(f"{source}: {exc}") from exc


def tags_of(args):
    """(named prefixes, warnings) of the service tags; nothing where none were given."""
    given = args["service_tags"]
    if given is None:
        return [], []
    if not given:
        raise PrefixError("service_tags: empty; name a file, give what rootwave.iot.service_tags returned, or leave it out")
    if isinstance(given, dict):
        return list(address_sources.of_result(given, args["ipv6"])), []
    try:
        document = service_tags.read(_text(os.path.expanduser(str(given)), SIZE_MOST))
        chosen = service_tags.select(
            document, args["cloud"], address_sources.regions_of(args["tags"]), args["pairs"], args["ipv6"]
        )
    except ServiceTagError as exc:
        raise ServiceTagError(f"{given}: {exc}") from exc
    pairless = [f"no paired region is known for {region}; a failover goes where nobody has said" for region in chosen.unpaired]
    return list(address_sources.of_tags(document, chosen)), pairless


def answers_for(hosts, timeout):
    """{host: [addresses]}, asked at once; PrefixError names each one that does not resolve, in one go."""
    failed = {}

    def ask(host):
        try:
            return [sockaddr[0] for _family, sockaddr in resolve(host, PORT, timeout)]
        except OSError as exc:
            failed[host] = str(exc)
            return []

    with ThreadPoolExecutor(WORKERS) as pool:
        answers = dict(zip(hosts, pool.map(ask, hosts), strict=True))
    if failed:
        words = ", ".join(f"{host} ({failed[host]})" for host in hosts if host in failed)
        raise PrefixError(f"endpoints: no address on the control node for {words}")
    return answers


def _text(path, most):
    if os.path.getsize(path) > most:
        raise PrefixError(f"{path} is longer than {most} bytes")
    return Path(path).read_text(encoding="utf-8-sig", errors="replace")
