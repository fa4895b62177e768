# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection log: pairing, renewals, what a row may look like. Each rule with the case next to it that is none."""

from __future__ import annotations

import json

import pytest
from ansible_collections.rootwave.iot.plugins.plugin_utils.connection_codes import explain
from ansible_collections.rootwave.iot.plugins.plugin_utils.connection_events import Event, auth_of, histories, sort_pairs
from ansible_collections.rootwave.iot.plugins.plugin_utils.connection_log import log_result

MINUTE, DAY = 60.0, 86400.0
SAS = json.dumps({"scope": "device", "type": "sas", "issuer": "iothub", "acceptingIpFilterRule": None})
X509 = json.dumps({"scope": "device", "type": "x509Certificate", "issuer": "external"})


def row(at: float, operation: str, who: str = "gw-01", code: int | None = None, **more) -> Event:
    told = {
        "TimeGenerated": at,
        "OperationName": operation,
        "Level": "Error" if code else "Informational",
        "ResultType": str(code or ""),
        "ResultDescription": None,
        "DeviceId": who,
        "ModuleId": "",
        "Protocol": "Mqtt",
        "SDKVersion": "",
        "AuthType": SAS,
    }
    event = Event.of({**told, **more})
    assert event
    return event


def up(at, who="gw-01", code=None, **more):
    return row(at, "deviceConnect", who, code, **more)


def down(at, who="gw-01", code=404104, **more):
    return row(at, "deviceDisconnect", who, code, **more)


def sort(*events, identities=1):
    return sort_pairs(histories(events), identities)


def test_pairs():
    one = histories([up(0), down(100), up(110), down(500), down(501, code=401003), up(510), down(900, code=None)])["gw-01"]
    assert [(pair.left, pair.back, pair.code, pair.age) for pair in one.pairs] == [
        (100, 110, 404104, 100),
        (500, 510, 404104, 390),  # the first of two says why
    ]
    assert one.left is not None and (one.left.at, one.left.code) == (900, None) and one.away
    assert not histories([up(0), down(100), up(110)])["gw-01"].away
    assert histories([down(100)])["gw-01"].away


def test_order_of_rows_is_of_no_matter():
    events = [up(110), down(100), up(0)]
    assert [(pair.left, pair.back) for pair in histories(events)["gw-01"].pairs] == [(100, 110)]
    assert not histories([up(100), down(100)])["gw-01"].away  # of one time: dropped, then back


def test_a_refused_attempt_is_no_return():
    one = histories([up(0), down(100), up(200, code=401003), up(300, code=401003)])["gw-01"]
    assert one.away and not one.pairs and len(one.refusals) == 2
    back = histories([up(0), down(100), up(200, code=401003), up(300)])["gw-01"]
    assert not back.away and not back.refusals and len(back.pairs) == 1
    assert histories([up(300, code=401003)])["gw-01"].away  # its drop was before the log
    assert not histories([up(0), up(300, code=401003)])["gw-01"].away  # somebody else under its name


@pytest.mark.parametrize("events", [[up(0), up(100), down(101, code=400027)], [up(0), down(100, code=400027), up(101)]])
def test_a_takeover_is_a_return_whichever_comes_first(events):
    one = histories(events)["gw-01"]
    assert not one.away and [(pair.code, pair.left == pair.back) for pair in one.pairs] == [(400027, True)]
    assert not sort(*events).renewals


def renewal(age=58 * MINUTE, gap=2.0, code=404104, **more):
    return [up(0, **more), down(age, code=code, **more), up(age + gap, **more)]


@pytest.mark.parametrize(
    "events, renewed",
    [
        (renewal(), True),
        (renewal(code=None), True),  # Node
        (renewal(code=401003), True),
        (renewal(age=45 * MINUTE), True),
        (renewal(age=70 * MINUTE), True),  # .NET, Java
        (renewal(Protocol="MqttWs"), True),
        (renewal(AuthType=None), True),  # the log does not say
        (renewal(age=43 * MINUTE), False),
        (renewal(age=72 * MINUTE), False),
        (renewal(gap=61), False),
        (renewal(code=500001), False),
        (renewal(AuthType=X509), False),
        (renewal(Protocol="Amqp"), False),
    ],
)
def test_renewals(events, renewed):
    found = sort(*events)
    assert (len(found.renewals), len(found.reconnected)) == ((1, 0) if renewed else (0, 1))


def test_tokens_of_another_life():
    """Ten minutes, twice: renewals. Ten and twenty: two drops."""
    regular = [up(0), down(600), up(601), down(1202), up(1203)]
    assert len(sort(*regular).renewals) == 2
    assert not sort(*[up(0), down(600), up(601), down(1801), up(1802)]).renewals
    assert not sort(*[up(0), down(60), up(61), down(121), up(122)]).renewals  # no token lives a minute


def test_a_session_from_before_the_log():
    assert len(sort(down(0), up(1), down(3481), up(3482)).renewals) == 2
    assert not sort(down(0), up(1)).renewals


def fleet(number, age_of, drop_at=DAY, away=5.0):
    events = []
    for place in range(number):
        who = f"gw-{place:02}"
        events += [up(drop_at - age_of(place), who), down(drop_at + place * 0.1, who), up(drop_at + away, who)]
    return events


def test_a_cutover_hits_sessions_of_every_age():
    """Two of eight happened to be as old as a token; they fell with the others."""
    mixed = sort(*fleet(8, lambda place: (58 if place < 2 else 5 + place) * MINUTE), identities=8)
    assert len(mixed.reconnected) == 8 and not mixed.renewals and mixed.moment == DAY
    together = sort(*fleet(8, lambda place: 58 * MINUTE), identities=8)  # an hour after a cutover all of them renew at once
    assert len(together.renewals) == 8 and together.moment is None


def test_a_few_are_no_crowd():
    few = sort(*fleet(4, lambda place: 5 * MINUTE), identities=4)
    assert len(few.reconnected) == 4 and few.moment is None
    assert sort(*fleet(6, lambda place: 5 * MINUTE), identities=100).moment is None
    assert sort(*fleet(10, lambda place: 5 * MINUTE), identities=100).moment == DAY


def test_who_stays_away_makes_a_crowd_too():
    events = [event for event in fleet(6, lambda place: 58 * MINUTE) if not (event.connect and event.at > DAY)]
    assert sort(*events, identities=6).moment == DAY


def test_rows():
    assert Event.of({"OperationName": "read", "TimeGenerated": 0}) is None
    module = up(0, ModuleId="rootwave")
    assert module.who == "gw-01/rootwave" == up(0, "gw-01/rootwave").who == up(0, "gw-01/rootwave", ModuleId="rootwave").who
    assert down(0, code=None, ResultType="200").code is None and not down(0, code=None, ResultType="200").error
    assert up(0, Level="Error").refused and not up(0).refused
    assert len(up(0, SDKVersion="x" * 5000).sdk) == 200


@pytest.mark.parametrize(
    "text, kind", [(SAS, "sas"), (X509, "x509certificate"), ("sas", "sas"), (None, ""), ("{", ""), ("[]", "[]")]
)
def test_auth_types(text, kind):
    assert auth_of(text) == kind
    assert auth_of('{"type": ' + "[" * 100_000) == ""


def shown(*events):
    found = histories(events)
    return log_result(events, found, sort_pairs(found, len(found)), [])


def test_errors_of_renewals_are_left_out():
    renewed = [up(0), down(3480, code=401003), down(3481), up(3482)]
    assert shown(*renewed)["errors"] == []
    assert [one["code"] for one in shown(*renewed[1:])["errors"]] == [401003, 404104]
    many = shown(up(0), down(10), up(80), down(90), up(200), up(300, "gw-02", code=429001))
    assert [(one["code"], one["events"], one["devices"]) for one in many["errors"]] == [
        (404104, 2, ["gw-01"]),
        (429001, 1, ["gw-02"]),
    ]


@pytest.mark.parametrize(
    "sdk, version, severity",
    [
        ("com.microsoft.azure.sdk.iot.iot-device-client/1.30.3 (11; Linux)", "1.30.3", "blocker"),
        ("com.microsoft.azure.iothub-java-client/1.0.16", "1.0.16", "blocker"),
        ("com.microsoft.azure.sdk.iot.iot-device-client/1.31.0", "1.31.0", "warning"),
        ("com.microsoft.azure.sdk.iot.iot-device-client/1.34", "1.34", "warning"),
        ("com.microsoft.azure.sdk.iot.iot-device-client", None, "warning"),
        ("com.microsoft.azure.sdk.iot.iot-device-client/2.0.0", None, None),
        ("com.microsoft.azure.sdk.iot.iot-service-client/1.30.0", None, None),
        ("azure-iot-device/1.17.1 (node v10.16.0)", None, None),
        ("evil com.microsoft.azure.sdk.iot.iot-device-client/1.2.3", None, None),
    ],
)
def test_java(sdk, version, severity):
    rows = shown(up(0, SDKVersion=sdk), down(10))["java_v1"]
    assert [(row["version"], row["severity"]) for row in rows] == ([(version, severity)] if severity else [])


def test_the_latest_sdk_counts():
    old, new = ("com.microsoft.azure.sdk.iot.iot-device-client/" + version for version in ("1.20.2", "2.1.0"))
    assert shown(up(0, SDKVersion=old), up(10, SDKVersion=new))["java_v1"] == []
    assert len(shown(up(0, SDKVersion=new), up(10, SDKVersion=old))["java_v1"]) == 1


def test_codes():
    assert explain(404104).name == "DeviceConnectionClosedRemotely" and explain(None).name == ""
    assert explain(409999).meaning and explain(777777).meaning and not explain(777777).name
