# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prefixes: what no firewall may have, and a union that admits what was named, all of it and nothing else."""

from __future__ import annotations

import ipaddress

import pytest
from ansible_collections.rootwave.iot.plugins.plugin_utils import address_file
from ansible_collections.rootwave.iot.plugins.plugin_utils.prefixes import (
    PRIVATE,
    PUBLIC,
    SOURCE_MOST,
    Entry,
    PrefixError,
    keep_stamps,
    must_be_usable,
    network_of,
    union,
    unstamped,
)
from hypothesis import given
from hypothesis import strategies as st

TAG, DNS = "AzureIoTHub.WestEurope, change 42", "DNS hub-a.azure-devices.net 2026-11-23"


def named(*rows):
    return [(network_of(prefix), source) for prefix, source in rows]


def shown(entries):
    return [(str(one.network), one.source) for one in entries]


@pytest.mark.parametrize(
    "prefix, kind",
    [("20.1.2.0/24", PUBLIC), ("20.0.0.0/8", PUBLIC), ("2603:1030::/47", PUBLIC), ("10.0.0.0/8", PRIVATE)]
    + [("172.31.255.4", PRIVATE), ("192.168.1.0/24", PRIVATE), ("100.64.0.0/10", PRIVATE), ("fd00:1::/64", PRIVATE)],
)
def test_public_and_private(prefix, kind):
    network = network_of(prefix)
    must_be_usable(network, (kind,))
    must_be_usable(network, (PUBLIC, PRIVATE))
    with pytest.raises(PrefixError, match=f"is {kind}; "):
        must_be_usable(network, ({PUBLIC, PRIVATE} - {kind}).pop())


@pytest.mark.parametrize(
    "prefix, words",
    [
        ("0.0.0.0/0", "wider than /8"),
        ("20.0.0.0/7", "wider than /8"),
        ("::/0", "wider than /16"),
        ("2600::/15", "wider than /16"),
        ("127.0.0.1", "loopback"),
        ("0.0.0.0", "this network"),
        ("169.254.169.254", "link-local"),
        ("224.0.0.0/8", "multicast"),
        ("255.255.255.255", "reserved"),
        ("192.0.2.0/27", "documentation"),
        ("172.0.0.0/8", r"172.16.0.0/12 \(private\)"),
        ("192.0.0.0/8", "192.0.0.0/24"),
        ("::1", "loopback"),
        ("fe80::1", "link-local"),
        ("::ffff:20.1.2.3", "not among IPv6's public"),
        ("64:ff9b::1401:203", "not among IPv6's public"),
        ("2001:db8::/48", "documentation"),
        ("ff02::1", "multicast"),
    ],
)
def test_never_usable(prefix, words):
    with pytest.raises(PrefixError, match=words):
        must_be_usable(network_of(prefix), (PUBLIC, PRIVATE))


@pytest.mark.parametrize(
    "text", ["20.1.2.3/24", "20.1.2.0/33", "hub.example", "", "20.1.2", None, 335610371, True, b"\x14\x01\x02\x03"]
)
def test_no_prefix(text):
    with pytest.raises(PrefixError):
        network_of(text)


def test_neighbours_of_one_source_become_one_and_of_two_stay_apart():
    assert shown(union(named(("20.1.2.0/25", TAG), ("20.1.2.128/25", TAG)))) == [("20.1.2.0/24", TAG)]
    two = [("20.1.2.0/25", TAG), ("20.1.2.128/25", "mine")]
    assert shown(union(named(*two))) == two


def test_a_prefix_in_another_one_goes_into_it_and_both_are_named():
    found = union(named(("2603:1030::/47", "x"), ("20.1.2.3", DNS), ("20.1.2.0/24", TAG), ("20.1.2.3", "x"), ("20.1.3.3", DNS)))
    assert shown(found) == [("20.1.2.0/24", f"x; {DNS}; {TAG}"), ("20.1.3.3/32", DNS), ("2603:1030::/47", "x")]


def test_very_many_sources_are_counted():
    [entry] = union(named(*[("20.1.2.3", f"DNS hub-{index:03}.azure-devices.net 2026-11-23") for index in range(100)]))
    assert len(entry.source) <= SOURCE_MOST and entry.source.endswith("; and 77 more") and entry.source.count("DNS ") == 23


@pytest.mark.parametrize(
    "source, plain",
    [
        (f"{TAG}; {DNS}", "AzureIoTHub.WestEurope; DNS hub-a.azure-devices.net"),
        ("AzureIoTHub (northeurope, westeurope), change 7", "AzureIoTHub (northeurope, westeurope)"),
        ("update server, change 42", "update server, change 42"),
        ("ticket of 2026-11-23", "ticket of 2026-11-23"),
    ],
)
def test_only_our_own_stamps_come_off(source, plain):
    assert unstamped(source) == plain


def test_a_stamp_alone_is_no_change():
    before = union(named(("20.1.2.0/24", TAG), ("20.9.9.9", DNS), ("20.8.8.8", "mine")))
    later = union(named(("20.1.2.0/24", TAG.replace("42", "43")), ("20.9.9.9", DNS[:-2] + "30"), ("20.8.8.8", "mine too")))
    kept = keep_stamps(later, before)
    assert shown(kept) == [("20.1.2.0/24", TAG), ("20.8.8.8/32", "mine too"), ("20.9.9.9/32", DNS)]
    assert shown(keep_stamps(later, [])) == shown(later)


def networks(version: int):
    """Few enough addresses to be counted one by one, so that prefixes meet and lie in each other often."""
    first, bits = (ipaddress.ip_address("20.0.0.0"), 32) if version == 4 else (ipaddress.ip_address("2603::"), 128)
    sizes = st.integers(0, 6)
    pairs = st.tuples(sizes, st.integers(0, 63))
    return pairs.map(lambda pair: ipaddress.ip_network((int(first) + (pair[1] >> pair[0] << pair[0]), bits - pair[0])))


ROWS = st.lists(st.tuples(st.one_of(networks(4), networks(6)), st.sampled_from(["a", "b", "c"])), max_size=40)


def addresses(rows, source=None):
    return {address for network, text in rows if source in (None, text) for address in network}


def test_dns_that_moves_within_the_prefixes_is_no_change():
    """The digest of a campaign holds the sources; another one would void what all gateways have soaked."""
    west, north = "AzureIoTHub.WestEurope, change 7", "AzureIoTHub.NorthEurope, change 5"
    pair = [network_of("20.1.0.0/24"), network_of("20.2.0.0/24")]
    before = [Entry(pair[0], f"{west}; DNS x.example 2026-11-01"), Entry(pair[1], north)]
    after = [Entry(pair[0], west), Entry(pair[1], f"{north}; DNS x.example 2026-11-02")]
    assert keep_stamps(after, before) == before
    other = [Entry(pair[0], west), Entry(pair[1], f"{north}; DNS y.example 2026-11-02")]
    assert keep_stamps(other, before) != before


@given(ROWS)
def test_union_loses_no_address_and_admits_no_other(rows):
    found = union(rows)
    admitted = [address for entry in found for address in entry.network]
    assert set(admitted) == addresses(rows) and len(admitted) == len(set(admitted))  # and disjoint


@given(ROWS)
def test_union_names_exactly_the_sources_that_have_addresses_there(rows):
    for entry in union(rows):
        there = {text for network, text in rows if network.version == entry.network.version and network.overlaps(entry.network)}
        assert sorted(entry.source.split("; ")) == sorted(there)
        assert any(set(entry.network) <= addresses(rows, text) for text in there)  # one of them named all of it


@given(ROWS, st.randoms())
def test_union_does_not_depend_on_the_order_and_is_minimal(rows, random):
    found = union(rows)
    moved = sorted(rows, key=lambda _row: random.random())
    assert [one.network for one in union(moved)] == [one.network for one in found]
    for source in {text for _network, text in rows}:
        alone = union([row for row in rows if row[1] == source])
        four = list(ipaddress.collapse_addresses(one.network for one in alone if one.network.version == 4))
        assert four == [one.network for one in alone if one.network.version == 4]


@given(ROWS.filter(bool))
def test_a_file_reads_back_as_it_was_written(rows):
    found = union(rows)
    assert address_file.parse(address_file.text_of(found)) == found
    assert [Entry(one.network, one.source) for one in keep_stamps(found, found)] == found
