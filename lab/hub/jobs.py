# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scheduled jobs: change many twins, or call many devices, at the tier's rate (azure-docs iot-hub-devguide-jobs).

Device twins only. Unfinished jobs and what each device got of them are on disk: a restart goes on without doing a device twice.
"""

from __future__ import annotations

import asyncio
import re
import time
from datetime import datetime

from .errors import HubError, invalid
from .query.parse import condition
from .query.tokens import QueryError
from .service.methods import RESPONSE_DEFAULT, call
from .twins import timestamp

ACTIVE_MOST = {"S2": 5, "S3": 10}  # else one
NAME = re.compile(r"[a-z0-9\-']{1,64}")
AHEAD_MOST = 168 * 3600  # seconds
TYPES = ("scheduleUpdateTwin", "scheduleDeviceMethod")
FORBIDDEN = re.compile(r'[$()<>@,;:\\"/\[\]?={} \t]|[^\x20-\x7e]')
ENDED = ("completed", "failed", "cancelled")


class Jobs:
    def __init__(self, hub) -> None:
        self.hub, self._store = hub, hub.world.store
        self.known: dict[str, dict] = self._store.load(hub.name, "job")
        self._devices: dict[str, dict] = self._store.load(hub.name, "device-job")
        self._wake = asyncio.Event()

    def create(self, name: str, body: dict) -> dict:
        """The job's document; raises HubError 400, 409, 429."""
        if not NAME.fullmatch(name) or body.get("jobId", name) != name:
            raise invalid("a jobId has 1 to 64 of a-z 0-9 - '")
        if name in self.known:
            raise HubError(409, "JobAlreadyExists", name)
        _check(body)
        active = sum(job["status"] in ("queued", "running") for job in self.known.values())
        if active >= ACTIVE_MOST.get(self.hub.config["sku"], 1):
            raise HubError(429, "ThrottlingMaxActiveJobCountExceeded", f"{active} jobs are active")
        start = _moment(body["startTime"]) if body.get("startTime") else time.time()
        if start > time.time() + AHEAD_MOST:
            raise invalid("startTime is more than 168 hours ahead")
        asked = ("type", "queryCondition", "updateTwin", "cloudToDeviceMethod", "maxExecutionTimeInSeconds")
        job = {"jobId": name, **{key: body[key] for key in asked if key in body}}
        status = "scheduled" if start > time.time() else "queued"
        job |= {"createdTime": timestamp(), "startTime": timestamp(start), "status": status, "start": start}
        self._keep(job)
        self._wake.set()
        return self.document(name)

    def document(self, name: str) -> dict:
        job = self.known.get(name)
        if job is None:
            return {"jobId": name, "type": "unknown", "status": "unknown"}
        states = [row["status"] for row in self._devices.values() if row["jobId"] == name]
        counts = {
            "deviceCount": len(states),
            "failedCount": states.count("failed"),
            "succeededCount": states.count("completed"),
            "runningCount": 0,
            "pendingCount": states.count("pending"),
        }
        return {key: value for key, value in job.items() if key != "start"} | {"deviceJobStatistics": counts}

    def cancel(self, name: str) -> dict:
        job = self.known.get(name)
        if job is None:
            raise HubError(404, "JobNotFound", name)
        if job["status"] not in ("queued", "scheduled"):
            raise HubError(405, "JobCancelled", f"a job that is {job['status']} cannot be cancelled")
        self._end(job, "cancelled")
        return self.document(name)

    def device_jobs(self) -> list[tuple[str, dict]]:
        """(key, row) of FROM devices.jobs."""
        return sorted(self._devices.items())

    async def run(self) -> None:
        """Until it is cancelled: jobs one after another, each when its time has come."""
        while True:
            waiting = sorted((job for job in self.known.values() if job["status"] not in ENDED), key=lambda job: job["start"])
            if waiting and waiting[0]["start"] <= time.time():
                await self._execute(waiting[0])
                continue
            self._wake.clear()
            try:
                async with asyncio.timeout(waiting[0]["start"] - time.time() if waiting else None):
                    await self._wake.wait()
            except TimeoutError:
                pass  # the first one's time has come

    async def _execute(self, job: dict) -> None:
        try:
            test = condition(job.get("queryCondition") or "*")
        except QueryError as exc:
            self._end(job, "failed", failureReason=str(exc))
            return
        if job["status"] != "running":
            self._keep({**job, "status": "running"})
            job = self.known[job["jobId"]]
            for key, twin in list(self.hub.registry.index.documents()):
                if "/" not in key and test(twin):
                    self._row(job, key, "pending")
        end = time.time() + (job.get("maxExecutionTimeInSeconds") or 3600)
        for row in [row for _key, row in self.device_jobs() if row["jobId"] == job["jobId"] and row["status"] == "pending"]:
            await asyncio.sleep(self.hub.throttle.take("job-device"))
            if time.time() > end:
                self._end(job, "failed", failureReason="maxExecutionTimeInSeconds is over")
                return
            await self._one(job, row["deviceId"])
        self._end(job, "completed")

    async def _one(self, job: dict, device: str) -> None:
        try:
            if job["type"] == "scheduleUpdateTwin":
                twin = job["updateTwin"]
                desired = (twin.get("properties") or {}).get("desired")
                self.hub.registry.patch_twin(device, twin.get("tags"), desired, twin["etag"])
                self._row(job, device, "completed")
                return
            method = job["cloudToDeviceMethod"]
            most = method.get("responseTimeoutInSeconds") or RESPONSE_DEFAULT
            status, payload = await call(self.hub, device, method["methodName"], method.get("payload"), most)
            answer = {"deviceMethodResponse": {"status": status, "payload": payload}}
            self._row(job, device, "completed", outcome=answer)
        except HubError as exc:
            self._row(job, device, "failed", error={"code": exc.code, "description": exc.message})

    def _row(self, job: dict, device: str, status: str, **more) -> None:
        row = {"deviceId": device, "jobId": job["jobId"], "jobType": job["type"], "status": status}
        row |= {"startTimeUtc": job["startTime"], "createdDateTimeUtc": job["createdTime"], "lastUpdatedDateTimeUtc": timestamp()}
        self._devices[f"{job['jobId']}/{device}"] = row | more
        self._store.put(self.hub.name, "device-job", f"{job['jobId']}/{device}", row | more)

    def _end(self, job: dict, status: str, **more) -> None:
        self._keep({**job, "status": status, "endTime": timestamp(), **more})

    def _keep(self, job: dict) -> None:
        self.known[job["jobId"]] = job
        self._store.put(self.hub.name, "job", job["jobId"], job)


def _check(body: dict) -> None:
    if body.get("type") not in TYPES:
        raise invalid(f"type is one of {', '.join(TYPES)}")
    asked = body.get("queryCondition") or ""
    if not isinstance(asked, str) or re.search(r"\bmoduleId\b|devices\.modules", asked, re.IGNORECASE):
        raise invalid("jobs address devices, not modules")
    if body["type"] == "scheduleUpdateTwin":
        twin = body.get("updateTwin") or {}
        if not twin.get("etag"):
            raise invalid("updateTwin needs an etag, which may be *")
        _check_characters({"tags": twin.get("tags"), "desired": (twin.get("properties") or {}).get("desired")})
    elif not (body.get("cloudToDeviceMethod") or {}).get("methodName"):
        raise invalid("cloudToDeviceMethod needs a methodName")
    else:
        _check_characters(body["cloudToDeviceMethod"].get("payload"))


def _check_characters(value) -> None:
    """azure-docs iot-hub-devguide-jobs: names and values are printable ASCII without these."""
    match value:
        case str():
            if found := FORBIDDEN.search(value):
                raise invalid(f"{found[0]!r} is not allowed in a job's names and values")
        case list():
            for each in value:
                _check_characters(each)
        case dict():
            for key, each in value.items():
                _check_characters(key)
                _check_characters(each)


def _moment(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError as exc:
        raise invalid(f"startTime {text!r} is no time") from exc
