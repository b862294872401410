"""Questions to a scheduler that is busy, frozen or gone."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

pytest.importorskip("distributed")

import dask
from distributed import Client
from distributed.security import Security
from ramet.dask.errors import SchedulerLostError
from ramet.dask.scheduler import ask

FROZEN = 2.0  # seconds


@pytest.fixture
def scheduler(tmp_path):
    """A process, and how to reach it: with certificates, so that a connection needs its answer."""
    file, security = tmp_path / "scheduler.json", Security.temporary()
    command = ["dask", "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", file]
    for option, text in [("ca-file", security.tls_ca_file), ("cert", security.tls_scheduler_cert)]:
        (tmp_path / option).write_text(text)
        command += [f"--tls-{option}", tmp_path / option]
    (tmp_path / "key").write_text(security.tls_scheduler_key)
    command += ["--tls-key", tmp_path / "key", "--protocol", "tls"]
    with subprocess.Popen([sys.executable, "-m", *command], stderr=subprocess.DEVNULL) as process:
        end = time.monotonic() + 60
        while not file.exists():
            assert time.monotonic() < end
            time.sleep(0.05)
        yield process, {"scheduler_file": str(file), "security": security}
        process.kill()


def asked(client, patience):
    """Some at once: each needs a connection of its own."""

    async def all_of_them():
        return await asyncio.gather(*(ask(client, "identity", patience, n_workers=-1) for _ in range(4)))

    return client.sync(all_of_them)


@contextlib.contextmanager
def frozen(process):
    os.kill(process.pid, signal.SIGSTOP)
    timer = threading.Timer(FROZEN, os.kill, [process.pid, signal.SIGCONT])
    timer.start()
    yield
    timer.join()


def test_one_that_is_busy_is_asked_again(scheduler):
    process, given = scheduler
    with Client(**given) as client:
        client.rpc.timeout = 0.3  # for new connections
        with frozen(process):
            begin = time.monotonic()
            answers = asked(client, 30.0)
            assert time.monotonic() - begin > FROZEN / 2
        assert {answer["type"] for answer in answers} == {"Scheduler"}


def test_one_that_does_not_answer_in_time_is_lost(scheduler):
    process, given = scheduler
    with Client(**given) as client:
        with frozen(process), pytest.raises(SchedulerLostError, match=r"did not answer for 0\.5 seconds"):
            asked(client, 0.5)
        assert asked(client, 30.0)


def test_one_that_is_gone_is_lost_at_once(scheduler):
    process, given = scheduler
    with dask.config.set({"distributed.comm.timeouts.connect": "2s"}), Client(**given) as client:
        process.kill()
        begin = time.monotonic()
        with pytest.raises(SchedulerLostError, match="init_model"):
            asked(client, 60.0)
        assert time.monotonic() - begin < 30
