"""A fit on a Dask cluster with certificates: nothing of the rows, and nothing of the training, passes in the clear.

The cluster runs on two hosts (network namespaces), and everything that passes between them is captured. Needs root.
"""

import asyncio
import itertools
import multiprocessing
import pickle
import socket
import ssl
import statistics
from dataclasses import dataclass
from pathlib import Path

import pytest
from capture import Capture
from member_processes import make_rows, parts_of
from namespaces import Hosts, enter, missing, on_host

from ramet import HistGradientBoostingRegressor

MISSING = missing()
pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)

ROWS, FEATURES, PARTS = 4000, 5, 4
SETTINGS = {"max_iter": 25, "early_stopping": False}
TLS_RECORDS = (b"\x16\x03\x01", b"\x16\x03\x03")  # a handshake's, as TLS 1.3 begins
PIECE = 24  # bytes, which do not occur by chance


def _work(pipe, namespace):
    """In a process of its own: a worker on another host."""
    enter(namespace)
    from distributed import Worker

    async def work(scheduler, host, security):
        async with Worker(scheduler, host=host, nthreads=1, security=security, dashboard=False) as worker:
            await worker.finished()

    asyncio.run(work(*pipe.recv()))


def _fit(pipe, namespace, worker_pipe, addresses, secured):
    """In a process of its own: a cluster of this host and another, and a fit of rows that lie on the other."""
    enter(namespace)
    import dask.array as da
    from distributed import Client, LocalCluster
    from distributed.security import Security

    security = Security.temporary() if secured else None
    settings = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": None, "security": security}
    X, y = make_rows(ROWS, FEATURES)
    with LocalCluster(host=addresses[0], processes=True, **settings) as cluster, Client(cluster) as client:
        worker_pipe.send((cluster.scheduler_address, addresses[1], security))
        client.wait_for_workers(2, timeout=60)
        workers = sorted(client.scheduler_info()["workers"], key=lambda address: addresses[1] in address)
        chunks = (ROWS // PARTS, FEATURES)
        data, labels = client.persist(
            [da.from_array(X, chunks=chunks), da.from_array(y, chunks=chunks[0])], workers=workers[1:]
        )
        pipe.send(workers)
        model = HistGradientBoostingRegressor(**SETTINGS).fit(data, labels)
        pipe.send(model.digest_)
        pipe.recv()


def listening():
    """Ports of this thread's host that somebody listens on."""
    ports = set()
    for name in ("tcp", "tcp6"):
        with Path(f"/proc/thread-self/net/{name}").open() as table:
            for line in itertools.islice(table, 1, None):
                fields = line.split()
                if fields[3] == "0A":
                    ports.add(int(fields[1].rsplit(":", 1)[1], 16))
    return ports


def greeting(address):
    """What a stranger without a certificate meets: "tls", "plain", or "nothing" where nobody answers."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection(address, timeout=1) as raw:
            raw.settimeout(1)
            with context.wrap_socket(raw) as secured:
                return "tls" if secured.version() else "plain"
    except ssl.SSLError as error:
        return "tls" if "ALERT" in (error.reason or "") else "plain"
    except OSError:
        return "nothing"


def shown(secrets, seen):
    """The share of pieces of these bytes that passed in the clear."""
    pieces = {secret[at : at + PIECE] for secret in secrets for at in range(0, len(secret) - PIECE + 1, PIECE)}
    telling = sorted(piece for piece in pieces if len(set(piece)) > PIECE // 2)[:: max(1, len(pieces) // 50)]
    return statistics.mean(any(piece in stream for stream in seen.streams.values()) for piece in telling)


def bins_of(X, y):
    _, parts = parts_of(X, y, PARTS, {"early_stopping": "false"})
    return [bytes(buffer.raw()) for part in parts for buffer in _buffers(part)]


def _buffers(part):
    buffers = []
    pickle.dumps(part, protocol=5, buffer_callback=buffers.append)
    return buffers


@dataclass
class Seen:
    workers: list[str]
    digest: str
    streams: dict  # what passed between the hosts
    greetings: list[str]  # of all ports that were open before the fit
    members: set[int]  # ports that were open during the fit alone


def watch_a_fit(secured):
    context = multiprocessing.get_context("spawn")
    with Hosts(2) as hosts, on_host(hosts, 0, Capture, "eth0") as capture:
        addresses = [hosts.address(0), hosts.address(1)]
        (mine, theirs), (tell, told) = context.Pipe(), context.Pipe()
        processes = [
            context.Process(target=_fit, args=(theirs, hosts.names[0], tell, addresses, secured)),
            context.Process(target=_work, args=(told, hosts.names[1])),
        ]
        for process in processes:
            process.start()

        def open_ports():
            return {(host, port) for host in (0, 1) for port in on_host(hosts, host, listening)}

        try:
            assert mine.poll(90), "the cluster does not start"
            workers = mine.recv()
            before, during = open_ports(), set()
            while not mine.poll(0.02):
                during |= open_ports()
            digest = mine.recv()
            greetings = [on_host(hosts, host, greeting, (addresses[host], port)) for host, port in before]
            mine.send("done")
            processes[0].join(30)
        finally:
            for process in processes:
                process.kill()
                process.join()
    assert capture.lost == 0
    members = {port for _, port in during - before}
    return Seen(workers, digest, capture.streams(), greetings, members)


def test_a_fit_on_a_cluster_with_certificates_passes_nothing_in_the_clear():
    """Rows, labels, bins and members' frames are in a capture of a cluster without TLS, and in none of one with it."""
    X, y = make_rows(ROWS, FEATURES)
    plain, secured = watch_a_fit(False), watch_a_fit(True)
    assert plain.digest == secured.digest == HistGradientBoostingRegressor(**SETTINGS).fit(X, y).digest_
    assert shown([X.tobytes()], plain) == shown([y.tobytes()], plain) == 1
    assert shown(bins_of(X, y), plain) > 0.1  # those that one worker gets from the other
    assert shown([X.tobytes()], secured) == shown([X.T.tobytes()], secured) == shown([y.tobytes()], secured) == 0
    assert shown(bins_of(X, y), secured) == 0
    for word in (b"RAMET-1", b"RMT1"):  # of handshakes, of frames
        assert any(word in stream for stream in plain.streams.values())
        assert not any(word in stream for stream in secured.streams.values())

    # The channel is TLS because the workers' addresses are, and nobody listens to anything else.
    assert all(address.startswith("tls://") for address in secured.workers)
    assert len(secured.members) == len(plain.members) == 2
    assert sum(greeting == "tls" for greeting in secured.greetings) >= 3  # the scheduler, two workers
    assert "plain" not in secured.greetings
    assert "plain" in plain.greetings
    talk = {key: stream for key, stream in secured.streams.items() if {key[1], key[3]} & secured.members}
    assert len(talk) == 2  # one connection, both ways
    assert all(len(stream) > 1_000_000 and stream.startswith(TLS_RECORDS) for stream in talk.values())
    assert all(stream.startswith(TLS_RECORDS) for stream in secured.streams.values() if stream)
