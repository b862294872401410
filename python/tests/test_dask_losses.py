"""A fit on a cluster gives the model of one machine, whoever dies, freezes, leaves or comes meanwhile."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("distributed")

import dask
from dask_chaos import Playground
from distributed import Client, LocalCluster, wait
from distributed.security import Security
from generated_rows import GeneratedRows, Recipe, ScatteredRows, alone, parameters, same_rate, slow_rate
from ramet.dask import stages
from ramet.dask.errors import DataLostError, MembersError, NotDeterministicError, NoWorkersError, SchedulerLostError
from ramet.dask.run import FitJob, FitOptions, fit, fit_async
from ramet.dask.values import value_of

from ramet import _core

OPTIONS = FitOptions(silent_after=2.0, connect_timeout=5.0, worker_timeout=60.0)
SLOW = FitJob(parameters(max_iter=40), learning_rate=slow_rate)
LONG = FitJob(parameters(max_iter=100), learning_rate=slow_rate)
FOUR = GeneratedRows((250,) * 4)


@pytest.fixture(scope="module")
def playground():
    with Playground() as it:
        yield it


@pytest.fixture
def client(playground):
    """Of three or more worker processes. Dead ones are replaced."""
    playground.heal()
    return playground.client


@contextlib.contextmanager
def threads(workers):
    """A cluster of threads of this process, and its client."""
    with (
        LocalCluster(n_workers=workers, threads_per_worker=2, processes=False, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        yield client


def workers_of(client):
    return [a for a, w in client.scheduler_info(n_workers=-1)["workers"].items() if w["status"] == "running"]


def pids(client):
    return client.run(os.getpid)


def holders(client, block):
    """The addresses that hold a scattered block, and what was made of it: Dask copies as it likes."""
    known = client.who_has()
    made = [key for key in known if key.startswith("ramet_part-") and key.endswith("-0")]
    assert made
    return {address for key in [block.key, *made] for address in known[key]}


def expected(job=SLOW, **more):
    return alone(job.parameters, learning_rate=same_rate, **more).model.digest


def at_round(number, action, seen=None):
    """An `on_round` that does something once."""
    done = []

    def on_round(report):
        if seen is not None:
            seen.append(report.round)
        if report.round >= number and not done:
            done.append(True)
            action()

    return on_round


# ── Without a loss ──


@pytest.mark.parametrize("workers", [1, 2, 3, 4])
def test_the_model_is_that_of_one_machine(workers):
    """However many workers, and however the rows are cut."""
    texts = parameters(max_iter=8)
    one = alone(texts, eval_rows=200)
    with threads(workers) as client:
        for lengths in [(1000,), (300, 0, 700), (1, 199, 800, 0), (100,) * 10]:
            sets = {"new": GeneratedRows((150, 50), Recipe(seed=1), known=len(lengths) > 3)}
            outcome = fit(client, GeneratedRows(lengths), sets, FitJob(texts), OPTIONS)
            assert outcome.result.model.digest == one.model.digest
            assert outcome.result.history == one.history
            report = outcome.report
            assert (report.rows, report.parts, report.rounds) == (1000, len(lengths), 8)
            assert sum(worker.rows for worker in report.workers) == 1000
            assert 1 <= len(report.workers) <= min(workers, sum(map(bool, lengths)))
            assert not report.interruptions and "8 rounds on 1,000 rows" in repr(report)


@pytest.mark.parametrize("more", [{}, {"early_stopping": "true", "keep_best": "true", "n_iter_no_change": 250}])
def test_a_callback_stops_at_its_round(client, more):
    """Rounds are told in order, each once. Members are ahead of a callback; what they did after its word is dropped."""
    seen = {}

    def on_round(report):
        seen[report.round] = report.values
        return report.round == 5

    sets = {"new": GeneratedRows((100,), Recipe(seed=1))}
    job = FitJob(parameters(max_iter=300, learning_rate=0.9, **more))
    outcome = fit(client, FOUR, sets, job, replace(OPTIONS, on_round=on_round))
    one = alone(job.parameters, eval_rows=100, on_round=lambda report: report.round == 5)
    assert outcome.result.model.digest == one.model.digest
    assert (outcome.result.history, outcome.result.best_round) == (one.history, one.best_round)
    assert outcome.result.stopped
    ((curve, values),) = one.history.items()
    assert seen == {r: {curve: values[r]} for r in range(1, 6)} and list(seen) == sorted(seen)


def test_an_error_of_a_callback_comes_back_with_the_rounds_so_far(client):
    def on_round(report):
        if report.round == 3:
            raise LookupError("mine")

    with pytest.raises(LookupError, match="mine") as caught:
        fit(client, FOUR, {}, SLOW, replace(OPTIONS, on_round=on_round))
    assert caught.value.result.model.num_rounds == 3


def test_bad_rows_are_named(client):
    rows = GeneratedRows((500, 500), Recipe(bad_row=600))
    with pytest.raises(ValueError, match=r"part 1 of the generated rows.*101"):
        fit(client, rows, {}, FitJob(parameters()), OPTIONS)


def test_it_goes_on_from_a_model(client):
    first = alone(parameters(max_iter=5))
    job = FitJob(parameters(max_iter=9), initial_model=first.model.to_bytes())
    outcome = fit(client, FOUR, {}, job, OPTIONS)
    assert outcome.result.model.digest == alone(parameters(max_iter=9)).model.digest
    assert outcome.report.rounds == 4


def test_two_fits_at_once_and_a_third_within_a_task(client):
    texts = [parameters(max_iter=10 + i) for i in range(3)]
    digests = {}

    def train(i):
        digests[i] = fit(client, FOUR, {}, FitJob(texts[i]), OPTIONS).result.model.digest

    both = [threading.Thread(target=train, args=[i]) for i in range(2)]
    for thread in both:
        thread.start()
    inside = client.submit(fit_in_a_task, texts[2])
    for thread in both:
        thread.join()
    digests[2] = inside.result(timeout=60)
    assert digests == {i: alone(texts[i]).model.digest for i in range(3)}


def fit_in_a_task(texts):
    from distributed import get_client

    return fit(get_client(), FOUR, {}, FitJob(texts), OPTIONS).result.model.digest


def test_a_fit_ends_though_others_use_all_threads(client, tmp_path):
    """Tasks that came while members trained hold every thread until the fit is over."""
    over = tmp_path / "over"
    others = []
    begin = at_round(5, lambda: others.extend(client.submit(wait_for, over, i) for i in range(12)))
    try:
        outcome = fit(client, FOUR, {}, SLOW, replace(OPTIONS, on_round=begin))
    finally:
        over.touch()
    assert outcome.result.model.digest == expected()
    assert len(outcome.report.workers) > 1 and not outcome.report.interruptions
    client.gather(others)


def wait_for(path, number):
    while not path.exists():
        time.sleep(0.05)


def test_who_is_cancelled_takes_nobody_along():
    """A client fetches results for all who wait at a time, and cancels that for all when one of them is cancelled."""

    async def run(value):
        async with (
            LocalCluster(
                n_workers=1, processes=False, protocol="tcp://", asynchronous=True, dashboard_address=":0"
            ) as local,
            Client(local, asynchronous=True) as client,
        ):
            for turn in range(12):
                mine, theirs = client.map(str, [turn, -turn], pure=False)
                await wait([mine, theirs])
                other = asyncio.ensure_future(client.gather(theirs))
                own = asyncio.ensure_future(value(mine))
                for _ in range(turn % 10):
                    await asyncio.sleep(0)
                other.cancel()
                try:
                    assert await asyncio.wait_for(own, 3) == str(turn)
                except (asyncio.CancelledError, asyncio.TimeoutError):
                    return False
        return True

    async def plain(future):
        return await future

    assert not asyncio.run(run(plain)), "Dask does not do this any more: values.py may go"
    assert asyncio.run(run(value_of))


def test_an_asynchronous_client():
    async def run():
        async with (
            LocalCluster(n_workers=2, processes=False, asynchronous=True, dashboard_address=":0") as local,
            Client(local, asynchronous=True) as client,
        ):
            job = FitJob(parameters(max_iter=8))
            with pytest.raises(RuntimeError, match="to_thread"):
                fit(client, FOUR, {}, job, OPTIONS)
            outcomes = [
                await fit_async(client, FOUR, {}, job, OPTIONS),
                await asyncio.to_thread(fit, client, FOUR, {}, job, OPTIONS),
            ]
            return {outcome.result.model.digest for outcome in outcomes}

    assert asyncio.run(run()) == {alone(parameters(max_iter=8)).model.digest}


def test_certificates_of_the_cluster_are_used():
    """Members of a TLS cluster talk in TLS; a member without its certificate could not take part."""
    security = Security.temporary()
    with (
        LocalCluster(
            n_workers=2, processes=False, protocol="tls://", security=security, host="127.0.0.1", dashboard_address=":0"
        ) as local,
        Client(local) as client,
    ):
        job = FitJob(parameters(max_iter=8))
        secret = fit(client, FOUR, {}, job, OPTIONS)
        open_ = fit(client, FOUR, {}, job, replace(OPTIONS, channel="tcp"))
    assert secret.result.model.digest == open_.result.model.digest == expected(job)
    with threads(1) as client, pytest.raises(ValueError, match="certificates"):
        fit(client, FOUR, {}, job, replace(OPTIONS, channel="tls"))


# ── With losses, on real processes ──


def test_a_killed_worker(client, tmp_path):
    victim, pid = sorted(pids(client).items())[1]
    rounds = []
    path = tmp_path / "model.ramet"
    on_round = at_round(15, lambda: os.kill(pid, signal.SIGKILL), rounds)
    options = replace(OPTIONS, on_round=on_round, checkpoint_path=str(path), checkpoint_every=10)
    outcome = fit(client, FOUR, {"new": GeneratedRows((100, 100), Recipe(seed=1))}, SLOW, options)
    one = alone(SLOW.parameters, learning_rate=same_rate, eval_rows=200)
    assert outcome.result.model.digest == one.model.digest
    assert outcome.result.history == one.history
    assert rounds == list(range(1, 41))
    loss = outcome.report.interruptions[0]
    assert victim in loss.workers and 14 <= loss.round < 40
    assert _core.Model.load(str(path)).digest == one.model.digest


def test_all_workers_killed_at_once(client):
    """The client has the trees of a moment ago: the fit goes on from them, not from the start."""
    rounds = []

    def kill_all():
        for pid in known:
            os.kill(pid, signal.SIGKILL)

    known = list(pids(client).values())
    outcome = fit(client, FOUR, {}, LONG, replace(OPTIONS, on_round=at_round(80, kill_all, rounds)))
    assert outcome.result.model.digest == expected(LONG)
    assert outcome.report.interruptions[0].round > 20
    assert rounds == list(range(1, 101))


def test_over_dasks_own_connections(client):
    """No port but Dask's; a killed and a frozen worker are noticed all the same."""
    known = sorted(pids(client).items())
    kill = at_round(20, lambda: os.kill(known[0][1], signal.SIGKILL))
    freeze = at_round(60, lambda: os.kill(known[1][1], signal.SIGSTOP))
    options = replace(OPTIONS, channel="comm", on_round=lambda report: kill(report) or freeze(report))
    outcome = fit(client, FOUR, {}, LONG, options)
    assert outcome.result.model.digest == expected(LONG)
    lost = {worker for event in outcome.report.interruptions for worker in event.workers}
    assert {known[0][0], known[1][0]} <= lost


@pytest.mark.parametrize("who_says", ["client", "worker"])
def test_members_without_a_port_go_on_over_dasks_connections(who_says, caplog):
    """Two members on one host, and one port. A worker's own configuration counts where the client's is silent."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    job = FitJob(parameters(max_iter=8))
    options = replace(OPTIONS, ports=str(port)) if who_says == "client" else OPTIONS
    of_workers = dask.config.set({"ramet.ports": str(port)} if who_says == "worker" else {})
    with of_workers, threads(2) as client, caplog.at_level("WARNING", "ramet.dask"):
        outcome = fit(client, FOUR, {}, job, options)
    assert outcome.result.model.digest == expected(job)
    assert f"no port of ports='{port}' is free" in caplog.text


def test_a_frozen_worker_is_removed_and_does_no_harm_when_it_thaws(client):
    victim, pid = sorted(pids(client).items())[0]
    try:
        on_round = at_round(10, lambda: os.kill(pid, signal.SIGSTOP))
        outcome = fit(client, FOUR, {}, SLOW, replace(OPTIONS, on_round=on_round))
    finally:
        os.kill(pid, signal.SIGCONT)
    assert outcome.result.model.digest == expected()
    assert victim in outcome.report.interruptions[0].workers
    assert "heard nothing" in outcome.report.interruptions[0].why
    assert fit(client, FOUR, {}, SLOW, OPTIONS).result.model.digest == expected()


def test_a_retired_worker_hands_over(client):
    victim = sorted(workers_of(client))[2]
    on_round = at_round(10, lambda: client.retire_workers([victim]))
    outcome = fit(client, FOUR, {}, LONG, replace(OPTIONS, on_round=on_round))
    assert outcome.result.model.digest == expected(LONG)
    assert outcome.report.interruptions


def test_new_workers_are_used():
    job = FitJob(parameters(max_iter=100), learning_rate=slow_rate)
    with threads(1) as client:
        grow = at_round(10, lambda: client.cluster.scale(2))
        options = replace(OPTIONS, rebalance_saves=0.1, on_round=grow)
        outcome = fit(client, FOUR, {}, job, options)
    assert outcome.result.model.digest == expected(job)
    assert outcome.report.interruptions[0].why == "there are more workers"
    assert len(outcome.report.workers) == 2


def test_an_adaptive_cluster_grows_for_a_fit_and_leaves_it_alone():
    """Its workers look idle to Dask while members train, and are not taken away."""
    rows = GeneratedRows((100,) * 10, Recipe(seconds=0.2))
    with threads(0) as client:
        client.cluster.adapt(minimum=0, maximum=3, interval="100ms", wait_count=1)
        outcome = fit(client, rows, {}, replace(SLOW, parameters=parameters(max_iter=60)), OPTIONS)
        client.cluster.adapt(minimum=0, maximum=0)
    assert outcome.result.model.digest == expected(replace(SLOW, parameters=parameters(max_iter=60)))
    assert all(event.why == "there are more workers" for event in outcome.report.interruptions)


def test_a_source_that_comes_out_differently_is_named(client, tmp_path):
    known = pids(client)
    before = set(client.who_has())
    path = tmp_path / "model.ramet"

    def kill_all_but_one():
        """The survivor lacks some part, whichever workers Dask gave them to."""
        parts = [
            where for key, where in client.who_has().items() if key.startswith("ramet_part-") and key not in before
        ]
        survivor = next(address for address in known if any(address not in where for where in parts))
        for address, pid in known.items():
            if address != survivor:
                os.kill(pid, signal.SIGKILL)

    kill = at_round(15, kill_all_but_one)
    options = replace(OPTIONS, on_round=kill, checkpoint_path=str(path), checkpoint_every=5)
    with pytest.raises(NotDeterministicError, match="of the generated rows came out differently") as caught:
        fit(client, GeneratedRows((250,) * 4, Recipe(noise=True)), {}, LONG, options)
    assert caught.value.result.model.num_rounds >= 10  # a checkpoint's at least: the survivor may have had no member
    assert _core.Model.load(str(path)).num_rounds >= 10


def test_rows_that_cannot_be_made_again_are_named(client):
    known = pids(client)
    rows = ScatteredRows((250,) * 4).scatter(client)

    def kill_who_holds_the_first():
        for address in holders(client, rows.blocks[0]):
            os.kill(known[address], signal.SIGKILL)

    kill = at_round(15, kill_who_holds_the_first)
    with pytest.raises(DataLostError, match=r"part \d of the generated rows was lost with its worker"):
        fit(client, rows, {}, LONG, replace(OPTIONS, on_round=kill))


def test_copies_of_rows_that_cannot_be_made_again(client):
    known = pids(client)
    before = set(client.who_has())
    seen = {}

    def kill_a_holder():
        for key, where in client.who_has().items():
            if key.startswith("ramet_copy-") and key not in before:
                seen.setdefault(key.rsplit("-", 1)[0], set()).update(where)
        os.kill(known[client.who_has()[rows.blocks[0].key][0]], signal.SIGKILL)

    rows = ScatteredRows((250,) * 4).scatter(client)
    options = replace(OPTIONS, recovery="replica", on_round=at_round(40, kill_a_holder))
    outcome = fit(client, rows, {}, LONG, options)
    assert [len(where) for where in seen.values()] == [2] * 4  # whichever replicas Dask has dropped meanwhile
    assert outcome.result.model.digest == expected(LONG)
    assert outcome.report.interruptions


def test_members_end_when_their_client_dies(client, playground):
    """Nobody tells them to: they see that nobody wants them any more."""
    command = [sys.executable, __file__, playground.cluster.scheduler_address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "round 5\n"
        assert sum(client.run(members).values()) > 0
        process.kill()
    deadline = time.monotonic() + 20
    while sum(client.run(members).values()):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_scheduler_that_dies_is_an_error_that_says_so(tmp_path):
    file, path = tmp_path / "scheduler.json", tmp_path / "model.ramet"
    common = ["--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", file]
    commands = [["scheduler", "--port", "0"], ["worker", "--nthreads", "2", "--no-nanny"]]
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with contextlib.ExitStack() as stack:
        scheduler, worker = (
            stack.enter_context(
                subprocess.Popen([sys.executable, "-m", "dask", *command, *common], stderr=-3, env=paths)
            )
            for command in commands
        )
        for process in (scheduler, worker):
            stack.callback(process.kill)
        client = stack.enter_context(Client(scheduler_file=str(file), timeout=60))
        options = replace(OPTIONS, on_round=at_round(50, scheduler.kill), checkpoint_path=str(path), checkpoint_every=1)
        with pytest.raises(SchedulerLostError, match="init_model") as caught:
            fit(client, FOUR, {}, LONG, options)
        assert worker.wait(timeout=60) is not None  # no member keeps it alive
    assert _core.Model.load(str(path)).digest == caught.value.result.model.digest


def members():
    from ramet.dask import member

    return len(member._members)


def test_a_part_that_kills_its_worker_is_named(client):
    with pytest.raises(MembersError, match=r"of the generated rows: the worker died each time .*memory"):
        fit(client, DeadlyRows((300, 300, 300)), {}, SLOW, OPTIONS)


class DeadlyRows(GeneratedRows):
    def submit(self, client, function, part, *args, key, **options):
        if part == 1:
            return client.submit(os._exit, 1, key=key, pure=False, **options)
        return super().submit(client, function, part, *args, key=key, **options)


def test_a_task_whose_workers_died_too_often_for_dask_is_tried_again(client, playground, tmp_path, monkeypatch):
    """As when a machine dies: its workers leave one after another, and a task is sent from one to the next."""
    monkeypatch.setattr(playground.cluster.scheduler, "allowed_failures", 0)
    outcome = fit(client, OnceDeadlyRows((250,) * 4, Recipe(folder=str(tmp_path))), {}, SLOW, OPTIONS)
    assert outcome.result.model.digest == expected()
    assert len(list(tmp_path.iterdir())) == 2


class OnceDeadlyRows(GeneratedRows):
    """The worker dies the first time that a part is surveyed, and the first time that it is binned."""

    def submit(self, client, function, part, *args, key, **options):
        if part == 2 and function in (stages.survey, stages.make):
            return client.submit(die_once, self, function, part, *args, key=key, pure=False, **options)
        return super().submit(client, function, part, *args, key=key, **options)


def die_once(rows, function, part, *args):
    died = Path(rows.recipe.folder, function.__name__)
    if not died.exists():
        died.touch()
        os._exit(1)
    begin = sum(rows.lengths[:part])
    return function(rows.recipe.table(begin, begin + rows.lengths[part]), *args)


def test_no_worker_is_an_error_that_says_so():
    with threads(0) as client, pytest.raises(NoWorkersError, match=r"no worker is there, for 0\.5 seconds"):
        fit(client, FOUR, {}, SLOW, replace(OPTIONS, worker_timeout=0.5))


def test_ctrl_c_stops_the_members_and_gives_the_rounds_so_far(client):
    options = replace(OPTIONS, on_round=at_round(5, lambda: os.kill(os.getpid(), signal.SIGINT)))
    job = replace(SLOW, parameters=parameters(max_iter=500))
    with pytest.raises(KeyboardInterrupt) as caught:
        fit(client, FOUR, {}, job, options)
    rounds = caught.value.result.model.num_rounds
    assert 5 <= rounds < 200
    assert caught.value.result.model.digest == expected(job, on_round=lambda report: report.round == rounds)
    deadline = time.monotonic() + 5
    while any(client.processing().values()):  # no member is left
        assert time.monotonic() < deadline
        time.sleep(0.05)


if __name__ == "__main__":  # a client that will be killed
    with Client(sys.argv[1]) as it:
        tell = at_round(5, lambda: print("round 5", flush=True))
        endless = replace(SLOW, parameters=parameters(max_iter=100_000))
        fit(it, FOUR, {}, endless, replace(OPTIONS, on_round=tell))
