"""A member that is cut off the network, while it and its connections live: hosts with a firewall that drops packets.

Needs root, for the hosts, and nftables.
"""

import itertools
import pickle
import time

import pytest
from member_processes import Members, make_rows, new_group, parts_of
from namespaces import Hosts, missing

from ramet import _core

MISSING = missing("nft")
pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)

PARAMETERS = {"max_iter": "800", "early_stopping": "false", "loss": "squared_error"}
ROWS = 3000
SILENT_AFTER = 1.5


@pytest.fixture(scope="module")
def table():
    return parts_of(*make_rows(ROWS, 6), 6, PARAMETERS)


@pytest.fixture(scope="module")
def expected(table):
    """The model that one process makes."""
    data = _core.Dataset.assemble(_core.Context(1), table[0], table[1], total_rows=ROWS)
    return _core.train(_core.Context(1), PARAMETERS, data).model.digest


def test_a_run_goes_on_without_a_member_that_is_cut_off(table, expected):
    with Hosts(3) as hosts, Members(3, hosts=hosts) as members:
        members.hold([0, 1, 2], *table, ROWS)
        old, new = new_group(), new_group()
        members.connect([0, 1, 2], old, silent_after=SILENT_AFTER)
        members.train([0, 1, 2], PARAMETERS)
        for rank in (0, 1, 2):
            assert [members.news(rank) for _ in range(2)] == [("round", 1), ("round", 5)]
        hosts.cut(2)
        cut = time.monotonic()

        # The others notice, and blame it. So does it, which cannot know that it is the one that is cut off.
        losses = [members.answer(rank) for rank in (0, 1, 2)]
        for loss in losses:
            assert SILENT_AFTER * 0.7 < loss["at"] - cut < SILENT_AFTER + 2
        assert [loss["failed_member"] for loss in losses[:2]] == [2, 2]
        assert losses[2]["failed_member"] in (0, 1)
        assert any("no sign of life" in loss["error"] for loss in losses)

        # They go on with the rounds that both have, and its rows.
        so_far = [loss["so_far"] for loss in losses[:2]]
        rounds = [pickle.loads(result).model.num_rounds for result in so_far]
        assert min(rounds) >= 5
        members.hold([0, 1], *table, ROWS)
        members.connect([0, 1], new, silent_after=SILENT_AFTER)
        members.train([0, 1], PARAMETERS, so_far[rounds.index(min(rounds))])

        # Healed, it calls them with what it knows: the old group's secret, and the addresses.
        hosts.heal(2)
        call = {"rank": 2, "addresses": members.addresses, "group": old, "connect_timeout": 2}
        members.order(2, "connect", call)
        results = [members.answer(rank) for rank in (0, 1)]
        assert [result["digest"] for result in results] == [expected] * 2
        refused = members.answer(2)
        assert refused["failed_member"] in (0, 1)

        # Nor when they meet once more: it is there, and heard, and not let in.
        members.order(2, "connect", call)
        members.order(0, "connect", {"rank": 0, "addresses": members.addresses, "group": new, "connect_timeout": 3})
        refused = members.answer(2)
        assert refused["failed_member"] == 0
        assert "does not know this group's secret" in refused["error"]
        assert "did not call" in members.answer(0)["error"]


def test_a_short_cut_harms_nobody(table, expected):
    with Hosts(3) as hosts, Members(3, hosts=hosts) as members:
        members.hold([0, 1, 2], *table, ROWS)
        members.connect([0, 1, 2], new_group(), silent_after=10)
        members.train([0, 1, 2], PARAMETERS)
        assert [members.news(0) for _ in range(2)] == [("round", 1), ("round", 5)]
        hosts.cut(1)
        time.sleep(1)
        hosts.heal(1)
        results = [members.answer(rank) for rank in (0, 1, 2)]
        assert [result["digest"] for result in results] == [expected] * 3
        times = results[0]["times"]
        assert max(b - a for a, b in itertools.pairwise(times)) > 0.9  # it was cut off
