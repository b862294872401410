"""Fits on real worker processes to which random things happen: killed, frozen, cut off, retired, added, or several.

    sudo python python/tests/dask_chaos.py --schedules 200 --seed 0

Workers live on hosts of their own (network namespaces), so that they can be cut off the network; where these are not
permitted it says so, and nobody is cut off.
Every fit must end, with the model of one machine or with the one error that its data deserve. A schedule is a function
of its seed alone; what comes of it also depends on timing.
"""

import argparse
import contextlib
import faulthandler
import os
import random
import signal
import statistics
import sys
import threading
import time
from dataclasses import dataclass, field, replace

import dask
from cluster_on_hosts import ClusterOnHosts
from distributed import Client, LocalCluster
from generated_rows import GeneratedRows, Recipe, alone, parameters, same_rate, slow_rate
from namespaces import Hosts, missing
from ramet.dask.errors import NotDeterministicError
from ramet.dask.run import FitJob, FitOptions, fit

WORKERS = 3
ROUNDS = 40
PATIENCE = 120.0  # seconds until a fit counts as hung
KINDS = ("kill", "kill", "freeze", "retire", "add", "kill all")
HOSTS = 6  # of workers and, the first, of scheduler and client
PARTS = (120, 0, 300, 80, 250, 250)
EVAL_PARTS = (50, 150)
OPTIONS = FitOptions(silent_after=2.0, connect_timeout=3.0, frozen_after=10.0, worker_timeout=60.0, rebalance_saves=0.2)
SLOW_PARTS = 0.03  # seconds for each part, so that faults meet every phase


@dataclass(frozen=True)
class Fault:
    at: float  # seconds
    kind: str
    who: int  # of the workers there are then
    thaw_after: float = 0.0  # or the network comes back


@dataclass
class Schedule:
    """What happens, and to which fit."""

    seed: int
    kinds: tuple[str, ...] = KINDS
    faults: list[Fault] = field(default_factory=list)
    noise: bool = False
    bad_row: int = -1
    options: FitOptions = OPTIONS

    def __post_init__(self):
        draw = random.Random(self.seed)
        source = draw.random()
        channel, recovery = draw.choice(["tcp", "tcp", "comm"]), draw.choice(["lineage", "replica"])
        self.options = replace(OPTIONS, channel=channel, recovery=recovery)
        self.noise = source < 0.1
        self.bad_row = 700 if source > 0.95 else -1
        moment = draw.uniform(0, 2.2)
        for _ in range(draw.randint(1, 4)):
            if draw.random() < 0.7:  # else together with the one before
                moment = draw.uniform(0, 2.2)
            fault = Fault(moment, draw.choice(self.kinds), draw.randrange(100), draw.choice([0.3, 2.0, 6.0]))
            self.faults.append(fault)
        self.faults.sort(key=lambda fault: fault.at)

    def __str__(self):
        source = "noisy " if self.noise else "bad row " if self.bad_row >= 0 else ""
        how = f"{self.options.channel}, {self.options.recovery}: "
        return how + source + ", ".join(f"{fault.kind} at {fault.at:.1f}" for fault in self.faults)


class Playground:
    """Worker processes, and what can be done to them. On `hosts`, whose first the caller is on, they can be cut off."""

    def __init__(self, hosts=None):
        self._stack = contextlib.ExitStack()
        enter = self._stack.enter_context
        enter(dask.config.set({"distributed.comm.timeouts.connect": "5s"}))
        local = {"threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": ":0"}
        self.cluster = enter(ClusterOnHosts(hosts, WORKERS) if hosts else LocalCluster(n_workers=WORKERS, **local))
        self.client = enter(Client(self.cluster))
        self._frozen = set()
        self._cut = set()
        self._timers = []
        self._complete = time.monotonic()  # when all workers were there

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.calm()
        self._stack.close()

    def pids(self):
        nannies = list(self.cluster.workers.values())
        return [pid for pid in (getattr(nanny, "pid", None) for nanny in nannies) if pid]

    def _signal(self, pid, number):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    def _later(self, seconds, action):
        timer = threading.Timer(seconds, action)
        self._timers.append(timer)
        timer.start()

    def strike(self, fault):
        pids = self.pids()
        if fault.kind == "add":
            self.cluster.scale(len(self.cluster.workers) + 1)
        elif fault.kind == "kill all":
            for pid in pids:
                self._signal(pid, signal.SIGKILL)
        elif fault.kind == "cut":
            names = sorted(self.cluster.workers)
            if names:
                self._cut_off(self.cluster.host_of(names[fault.who % len(names)]), fault.thaw_after)
        elif fault.kind == "retire":
            names = sorted(self.cluster.workers, key=str)
            if len(names) > 1:
                name = names[fault.who % len(names)]
                threading.Thread(target=self._retire, args=[name], daemon=True).start()
        elif pids:
            pid = pids[fault.who % len(pids)]
            self._signal(pid, signal.SIGKILL if fault.kind == "kill" else signal.SIGSTOP)
            if fault.kind == "freeze":
                self._frozen.add(pid)
                self._later(fault.thaw_after, lambda: self._signal(pid, signal.SIGCONT))

    def _cut_off(self, host, seconds):
        if host not in self._cut:
            self.cluster.hosts.cut(host)
            self._cut.add(host)
            self._later(seconds, lambda: self._join(host))

    def _join(self, host):
        if host in self._cut:
            self._cut.remove(host)
            self.cluster.hosts.heal(host)

    def _retire(self, name):
        with contextlib.suppress(Exception):
            self.client.retire_workers(names=[name])

    def play(self, faults):
        for fault in faults:
            self._later(fault.at, lambda fault=fault: self.strike(fault))

    def calm(self):
        """No more faults, and nobody is frozen or cut off."""
        for timer in self._timers:
            timer.cancel()
        for timer in self._timers:
            timer.join()
        for host in list(self._cut):
            self._join(host)
        for pid in self._frozen:
            self._signal(pid, signal.SIGCONT)
        self._timers, self._frozen = [], set()

    def heal(self):
        """All workers there again, none frozen, none cut off."""
        self.calm()
        while not self.replace_lost():
            time.sleep(0.1)

    def replace_lost(self):
        """Whether all workers are there. A nanny that has gone for good is replaced after a while."""
        workers = self.client.scheduler_info(n_workers=-1)["workers"].values()
        running = sum(worker["status"] == "running" for worker in workers)
        now = time.monotonic()
        if running >= WORKERS:
            self._complete = now
        elif now - self._complete > 8:
            self.cluster.scale(max(WORKERS, len(self.cluster.worker_spec)) + 1)
            self._complete = now
        return running >= WORKERS


@dataclass
class Ending:
    """How a fit ended; `wrong` says what should not be."""

    seconds: float = 0.0
    what: str = ""
    wrong: str = ""
    losses: list = field(default_factory=list)


class Oracle:
    """The models of one machine."""

    def __init__(self):
        texts = parameters(max_iter=ROUNDS)
        rows, eval_rows = sum(PARTS), sum(EVAL_PARTS)
        self.digest = alone(texts, rows=rows, eval_rows=eval_rows, learning_rate=same_rate).model.digest


def run(playground, schedule, oracle):
    """One fit under a schedule."""
    recipe = Recipe(noise=schedule.noise, bad_row=schedule.bad_row, seconds=SLOW_PARTS)
    rows = GeneratedRows(PARTS, recipe)
    sets = {"new": GeneratedRows(EVAL_PARTS, Recipe(seed=1, seconds=SLOW_PARTS), known=schedule.seed % 2 == 0)}
    job = FitJob(parameters(max_iter=ROUNDS), learning_rate=slow_rate)
    ending = Ending()

    def train():
        try:
            outcome = fit(playground.client, rows, sets, job, schedule.options)
        except Exception as error:
            ending.what = type(error).__name__
            if schedule.noise and isinstance(error, NotDeterministicError):
                return
            if schedule.bad_row >= 0 and isinstance(error, ValueError) and "part 4" in str(error):
                return
            ending.wrong = f"{type(error).__name__}: {error}"
            return
        ending.what = "done"
        ending.losses = outcome.report.interruptions
        if schedule.bad_row >= 0:
            ending.wrong = "the bad row went unnoticed"
        elif not schedule.noise and outcome.result.model.digest != oracle.digest:
            ending.wrong = "another model"

    begin = time.monotonic()
    thread = threading.Thread(target=train, daemon=True)
    thread.start()
    playground.play(schedule.faults)
    while thread.is_alive() and time.monotonic() - begin < PATIENCE:
        thread.join(0.5)
        playground.replace_lost()
    ending.seconds = time.monotonic() - begin
    if thread.is_alive():
        ending.wrong = f"it hangs: no end after {PATIENCE:g} seconds"
        faulthandler.dump_traceback()
    return ending


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--schedules", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the first schedule")
    given = parser.parse_args()
    why_not = missing("nft")
    print(f"nobody is cut off: {why_not}" if why_not else "workers are on hosts of their own", flush=True)
    kinds = KINDS if why_not else (*KINDS, "cut", "cut")
    oracle, wrong, losses = Oracle(), 0, []
    with contextlib.ExitStack() as stack:
        hosts = None
        if not why_not:
            hosts = stack.enter_context(Hosts(HOSTS))
            hosts.enter(0)
        playground = stack.enter_context(Playground(hosts))
        for seed in range(given.seed, given.seed + given.schedules):
            schedule = Schedule(seed, kinds)
            playground.heal()
            ending = run(playground, schedule, oracle)
            wrong += bool(ending.wrong)
            losses += ending.losses
            print(f"{seed:5}  {ending.seconds:5.1f} s  {ending.what:24} {schedule}  {ending.wrong}", flush=True)
            if "hangs" in ending.wrong:
                break
    times = sorted(loss.seconds for loss in losses) or [0.0]
    repeated = [loss.rounds_repeated for loss in losses] or [0]
    print(
        f"{given.schedules} schedules, {wrong} wrong. {len(losses)} interruptions of {statistics.median(times):.2f} s "
        f"(median; at most {times[-1]:.2f}); rounds repeated: {statistics.mean(repeated):.1f} (at most {max(repeated)})"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
