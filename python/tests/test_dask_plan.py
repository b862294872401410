"""A fit on a cluster as a state machine: whatever happens, and in whatever order, it ends as it should."""

import random

import pytest

pytest.importorskip("distributed")

from ramet.dask import messages as m
from ramet.dask.deal import SLACK, PartId, deal, fullest
from ramet.dask.errors import DataLostError, MembersError, NotDeterministicError, NoWorkersError
from ramet.dask.plan import Phase, Plan
from simulated_cluster import LIMITS, Cluster

FAULTS = ("kill", "freeze", "thaw", "retire", "add", "cut", "mend", "restart")


def schedule_faults(cluster, count, faults=FAULTS):
    """Faults at random times; in the end all behave, and a worker is there."""
    draw = cluster.random

    def strike():
        name = draw.choice(sorted(cluster.workers) or ["nobody"])
        fault = draw.choice(faults)
        if fault == "cut" and len(cluster.workers) > 1:
            cluster.cut(*draw.sample(sorted(cluster.workers), 2))
        elif fault == "mend":
            cluster.cuts.clear()
        elif fault == "restart" and name in cluster.workers:
            cluster.add(name=name)  # a new process at the old address
        elif fault == "add":
            cluster.add(draw.randint(1, 4))
        elif fault in ("kill", "freeze", "thaw", "retire"):
            getattr(cluster, fault)(name)

    def behave():
        cluster.cuts.clear()
        for name in cluster.workers:
            cluster.thaw(name)
        cluster.add()

    span = draw.choice([3, 10, 40])
    for _ in range(count):
        cluster.later(draw.uniform(0, span), strike)
    cluster.later(span + 1, behave)


@pytest.mark.parametrize("seed", range(400))
def test_a_fit_ends_with_the_model_whatever_happens_to_workers(seed):
    cluster = Cluster(seed, parts=(seed % 7 + 1, seed % 3)[: seed % 2 + 1])
    for _ in range(cluster.random.randint(1, 5)):
        cluster.add(cluster.random.randint(1, 4))
    schedule_faults(cluster, cluster.random.randint(0, 12))
    assert cluster.run() == m.Finish(12, complete=True)


def test_nothing_is_lost_where_nothing_happens():
    cluster = Cluster(1, parts=(6, 2))
    for _ in range(3):
        cluster.add()
    assert cluster.run() == m.Finish(12, complete=True)
    assert list(cluster.groups) == [1]
    assert not cluster.was_silent and len(cluster.workers) == 3


@pytest.mark.parametrize("seed", range(100))
def test_a_source_that_comes_out_differently_is_named(seed):
    cluster = Cluster(seed, deterministic=False)
    for _ in range(3):
        cluster.add()
    schedule_faults(cluster, 6, ["kill", "add"])
    end = cluster.run()
    if max(cluster.times_made.values()) == 1:
        assert end == m.Finish(12, complete=True)
        return
    remade = [part for part, times in cluster.times_made.items() if times > 1]
    assert isinstance(end, m.GiveUp) and isinstance(end.error, NotDeterministicError)
    assert any(str(part) in str(end.error) for part in remade)
    assert "seed" in str(end.error) and "fingerprint" in str(end.error)


@pytest.mark.parametrize("seed", range(50))
def test_rows_that_cannot_be_made_again_are_named(seed):
    cluster = Cluster(seed, lineage=False)
    for _ in range(3):
        cluster.add()
    schedule_faults(cluster, 6, ["kill", "add"])
    end = cluster.run()
    if isinstance(end, m.GiveUp):
        assert isinstance(end.error, DataLostError)
    else:
        assert end.complete


@pytest.mark.parametrize("seed", range(100))
def test_a_stop_ends_with_the_rounds_there_are(seed):
    cluster = Cluster(seed, rounds=40)
    for _ in range(3):
        cluster.add()
    schedule_faults(cluster, 4)
    cluster.later(cluster.random.uniform(0, 12), lambda: cluster.say(m.StopAsked()))
    end = cluster.run()
    assert isinstance(end, m.Finish)
    assert end.rounds >= max(cluster.connected_with, default=0)


def test_a_worker_that_is_never_there_is_waited_for_and_named():
    end = Cluster(0).run()
    assert isinstance(end.error, NoWorkersError)
    assert "60 seconds" in str(end.error) and "looking at the rows" in str(end.error)


@pytest.mark.parametrize("seed", range(20))
def test_workers_that_die_and_never_come_back(seed):
    cluster = Cluster(seed, rounds=1000)
    cluster.add()
    cluster.later(cluster.random.uniform(0, 8), lambda: cluster.kill("w0"))
    end = cluster.run()
    assert isinstance(end.error, NoWorkersError)


def test_silence_of_all_ends_every_wait():
    """P10: in whatever state everything falls silent, ticks alone end the fit."""
    for seed in range(60):
        cluster = Cluster(seed, rounds=1000)
        for _ in range(3):
            cluster.add()
        cluster.later(cluster.random.uniform(0, 6), lambda c=cluster: [c.freeze(name) for name in list(c.workers)])
        end = cluster.run()
        assert isinstance(end.error, NoWorkersError), seed


def test_epochs_that_complete_nothing_end_the_fit():
    plan, epochs = trained_plan(), 0
    while not plan.over:
        epochs += 1
        plan.handle(m.Ended(plan.epoch, "a", 0, m.Reason.BROKEN, detail="the disk is full"))
        out = plan.handle(m.Ended(plan.epoch, "b", 0, m.Reason.LOST, 0))
        if not plan.over:
            reopen(plan)
    assert epochs == LIMITS.fruitless
    assert isinstance(out[-1].error, MembersError) and "the disk is full" in str(out[-1].error)


def test_a_thread_that_is_never_free_is_named():
    plan = located_plan()
    open_ = plan.handle(m.Located(1, {}))[-1]
    plan.handle(m.Listening(1, open_.seats[0].worker, "h", 1))
    for _ in range(int(LIMITS.start_timeout) + 1):
        assert not plan.shunned
        plan.handle(m.Tick(plan.now + 1))
        plan.handle(alive(plan))
    assert list(plan.shunned) == [open_.seats[1].worker]
    assert "start_timeout" in plan.shunned[open_.seats[1].worker]


WORKERS = m.Workers({"a": m.Seen(), "b": m.Seen()})
PARTS = {PartId(0, number): 10 for number in range(4)}


def located_plan(rounds=10):
    plan = Plan([4], rounds, limits=LIMITS)
    plan.handle(m.Begin())
    plan.handle(WORKERS)
    plan.handle(m.Surveyed(PARTS))
    plan.handle(m.Binned())
    for part in PARTS:
        out = plan.handle(m.Made(part, 10, str(part)))
    assert out == [m.Locate(1)]
    return plan


def alive(plan):
    return m.Workers({name: m.Seen(beat=plan.now) for name in WORKERS.seen})


def reopen(plan):
    for _ in range(200):
        if plan._asked:
            break
        plan.handle(m.Tick(plan.now + 0.1))
        plan.handle(alive(plan))
    plan.handle(m.Located(plan._request, {}))
    for worker in WORKERS.seen:
        plan.handle(m.Listening(plan.epoch, worker, "h", 1))
        out = plan.handle(m.Fed(plan.epoch, worker))
    assert isinstance(out[-1], m.Connect)
    return plan


def trained_plan(rounds=10):
    return reopen(located_plan(rounds))


def test_an_older_epoch_is_not_believed():
    plan = trained_plan()
    plan.handle(m.Ended(1, "a", 3, m.Reason.LOST, 1))
    plan.handle(m.Ended(1, "b", 2, m.Reason.LOST, 0))
    plan.handle(m.Fetched(1, "a", 3))
    reopen(plan)
    assert plan.epoch == 2
    before = (plan.phase, plan.kept, [seat.ended for seat in plan.seats])
    for event in (
        m.Ended(1, "a", 9, m.Reason.DONE),
        m.Kept(1, 9),
        m.Reported(1, 9),
        m.Fetched(1, "a", 9),
        m.Fed(1, "a"),
    ):
        assert plan.handle(event) == []
    assert (plan.phase, plan.kept, [seat.ended for seat in plan.seats]) == before


def test_the_most_advanced_member_is_asked_and_the_next_if_it_dies():
    plan = trained_plan()
    plan.handle(m.Kept(1, 4))
    plan.handle(m.Ended(1, "a", 5, m.Reason.LOST, 1))
    assert plan.handle(m.Ended(1, "b", 6, m.Reason.LOST, 0)) == [m.Fetch(1, "b")]
    assert plan.handle(m.Workers({"a": m.Seen()})) == [m.Fetch(1, "a")]
    out = plan.handle(m.Fetched(1, "a", 5))
    assert plan.kept == 5 and out == [m.Release(1), m.Locate(2)]


def test_what_the_client_holds_is_not_fetched():
    plan = trained_plan()
    plan.handle(m.Kept(1, 5))
    plan.handle(m.Ended(1, "a", 5, m.Reason.LOST, 1))
    assert plan.handle(m.Ended(1, "b", 5, m.Reason.LOST, 0)) == [m.Release(1), m.Locate(2)]


def test_one_finished_member_is_enough():
    plan = trained_plan()
    plan.handle(m.Workers({"a": m.Seen()}))
    assert plan.handle(m.Ended(1, "a", 7, m.Reason.DONE)) == [m.Fetch(1, "a")]  # it stopped early
    assert plan.handle(m.Fetched(1, "a", 7))[-1] == m.Finish(7, complete=True)


def test_a_closed_connection_accuses_nobody():
    plan = trained_plan()
    plan.handle(m.Ended(1, "a", 1, m.Reason.LOST, 1))
    out = plan.handle(m.Tick(plan.now + LIMITS.grace + 1))
    assert not any(isinstance(instruction, m.Remove) for instruction in out)
    plan.handle(m.Ended(1, "b", 1, m.Reason.LOST, 0))
    assert set(plan.workers) == {"a", "b"} and not plan.shunned


def test_a_silent_worker_is_removed_and_one_that_answers_is_not():
    plan = trained_plan()
    plan.handle(m.Ended(1, "a", 1, m.Reason.SILENT, 1))
    out = plan.handle(m.Tick(plan.now + LIMITS.grace))
    assert [type(instruction) for instruction in out] == [m.Remove, m.Fetch] and out[0].worker == "b"
    plan = trained_plan()
    plan.handle(m.Ended(1, "a", 1, m.Reason.SILENT, 1))
    plan.handle(m.Ended(1, "b", 1, m.Reason.LOST, 0))
    assert set(plan.workers) == {"a", "b"} and plan.strikes == {"b": 1}


def test_new_workers_are_used_when_it_pays():
    more = m.Workers({**WORKERS.seen, "c": m.Seen(), "d": m.Seen()})
    for rounds, expected in ((100, [m.StopAfterRound(1, "there are more workers")]), (6, [])):
        plan = trained_plan(rounds)
        plan.handle(m.Tick(plan.now + 1))
        plan.handle(m.Reported(1, 5))  # 0.2 s each
        assert plan.handle(more) == expected
        assert plan.handle(more) == [], "asked once"


def test_a_retiring_worker_hands_over():
    plan = trained_plan()
    out = plan.handle(m.Workers({"a": m.Seen(), "b": m.Seen(ready=False, retiring=True)}))
    assert out == [m.StopAfterRound(1, "b is being retired")]
    plan.handle(m.Ended(1, "a", 1, m.Reason.STOPPED))
    assert plan.handle(m.Ended(1, "b", 1, m.Reason.STOPPED)) == [m.Fetch(1, "a")]
    plan.handle(m.Fetched(1, "a", 1))
    assert [seat.worker for seat in plan.handle(m.Located(2, {}))[-1].seats] == ["a"]


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_a_member_that_retires_before_we_know_says_why_the_others_lost_it(order):
    plan = trained_plan()
    ends = {
        "a": m.Ended(1, "a", 1, m.Reason.LOST, about=1, detail="member 1 is gone"),
        "b": m.Ended(1, "b", 1, m.Reason.STOPPED, detail="b is being retired"),
    }
    for worker in order:
        plan.handle(ends[worker])
    assert plan.last_words == "b is being retired"


def test_an_error_of_the_data_ends_the_fit_at_once():
    plan = trained_plan()
    error = ValueError("row 3")
    assert plan.handle(m.Failed(error)) == [m.GiveUp(error)]
    assert plan.phase is Phase.OVER


@pytest.mark.parametrize("seed", range(300))
def test_deals(seed):
    draw = random.Random(seed)
    threads = {f"w{i}": draw.choice([1, 1, 2, 8]) for i in range(draw.randint(1, 8))}
    rows = {PartId(0, i): draw.choice([0, 1, 10, draw.randint(0, 1000)]) for i in range(draw.randint(1, 40))}
    homes = [*threads, "elsewhere"]
    where = {part: draw.sample(homes, draw.randint(0, len(homes))) for part in rows if draw.random() < 0.8}
    hands = deal(rows, where, threads)
    assert sorted(part for parts in hands.values() for part in parts) == sorted(rows)  # D1
    assert all(hands.values()) and hands.keys() <= threads.keys()
    shuffled = draw.sample(sorted(rows.items()), len(rows))
    assert deal(dict(shuffled), where, dict(reversed(threads.items()))) == hands  # D2
    if sum(rows.values()):
        assert all(sum(rows[part] for part in parts) for parts in hands.values())  # D3
    if sum(rows.values()) and len(threads) > 1:  # D4: a part leaves its place for a reason, and it is no wild deal
        average = sum(rows.values()) / sum(threads.values())
        largest = max(rows.values()) / min(threads.values())
        assert fullest(hands, rows, threads) <= max(average * (1 + SLACK), average + largest)


def test_parts_stay_where_they_lie():
    rows = {PartId(0, i): 100 for i in range(9)}
    where = {part: [f"w{part.number % 3}"] for part in rows}
    hands = deal(rows, where, {"w0": 1, "w1": 1, "w2": 1})
    assert all(where[part] == [worker] for worker, parts in hands.items() for part in parts)
    hands = deal(rows, where, {"w0": 1, "w1": 1})  # w2's parts are dealt, the others stay
    assert {part for part in hands["w0"] if part.number % 3 == 0} == {part for part in rows if part.number % 3 == 0}
