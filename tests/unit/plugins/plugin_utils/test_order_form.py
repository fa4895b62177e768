# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is sent is what was signed, and every way of sending takes it."""

from __future__ import annotations

import json
import os
import string

import pytest
from ansible_collections.rootwave.iot.plugins.module_utils.gateway.order import assemble
from ansible_collections.rootwave.iot.plugins.plugin_utils.order_form import OrderTooLarge, must_fit, order_of, patch_of

from tests.unit.plugins.module_utils.gateway import people

# azure-docs iot-hub-devguide-jobs: US-ASCII printable alphanumeric characters except these
NOT_IN_JOBS = set('$()<>@,;:\\"/[]?={} \t')


@pytest.mark.parametrize("length", [1, 2, 2999, 3000, 3001, 11111, 32768])
def test_a_device_gets_identical_bytes(length):
    envelope = os.urandom(length)
    order = order_of(envelope)
    assert assemble(order) == envelope
    assert assemble(json.loads(json.dumps(patch_of({"stage": order})))["rootwave"]["stage"]) == envelope
    assert order == people.order_of(envelope)  # the helper's own reading of the contract


def test_go_is_all_that_changes_when_it_is_to_run_again():
    first, second = order_of(b"x"), order_of(b"x", go=2)
    assert {name for name in first if first[name] != second[name]} == {"go"} and second["go"] == 2


def test_legal_in_scheduled_jobs_and_in_one_value_of_a_twin():
    order = order_of(bytes(range(256)) * 100)
    texts = [*order, *(value for value in order.values() if isinstance(value, str))]
    assert all(set(text) <= set(string.ascii_letters + string.digits + "-_") for text in texts)
    assert not {character for text in texts for character in text} & NOT_IN_JOBS
    assert max(map(len, texts)) <= 4000
    assert set('{"a": "+/="}') & NOT_IN_JOBS  # what JSON and usual base64 would bring along


def test_too_large_for_a_device():
    with pytest.raises(OrderTooLarge, match="32769 bytes, a device reads at most 32768"):
        order_of(b"x" * 32769)


def test_too_large_for_a_twin_together():
    one = order_of(b"x" * 12000)  # 16,000 characters
    assert must_fit({"stage": one}) > 16000
    assert must_fit({"stage": one, "retire": one}) < 32768
    with pytest.raises(OrderTooLarge, match="desired would have"):
        must_fit({"stage": one, "retire": one, "revert": one})
    with pytest.raises(OrderTooLarge, match="desired would have"):
        must_fit({"stage": one, "retire": one}, {"application": {"a": "x" * 1000}})


def test_what_is_there_counts_and_what_is_withdrawn_does_not():
    one, two = order_of(b"x" * 12000), order_of(b"y" * 12000)
    there = {"$version": 3, "rootwave": {"stage": one, "retire": one}}
    assert must_fit({"retire": two}, there) < 32768
    assert must_fit({"stage": None, "revert": two}, there) < 32768
    with pytest.raises(OrderTooLarge):
        must_fit({"revert": two}, there)
