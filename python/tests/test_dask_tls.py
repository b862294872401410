"""A fit on a Dask cluster with certificates: nothing of the rows, and nothing of the training, passes in the clear.

The cluster runs on a host of its own (a network namespace), of which everything that passes is captured. Needs root.
"""

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


def _fit(pipe, namespace, secured):
    """In a process of its own: a cluster, and a fit of rows that all lie on its first worker."""
    enter(namespace)
    import dask.array as da
    from distributed import Client, LocalCluster
    from distributed.security import Security

    settings = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    if secured:
        settings["security"] = Security.temporary()
    X, y = make_rows(ROWS, FEATURES)
    with LocalCluster(host="127.0.0.1", **settings) as cluster, Client(cluster) as client:
        workers = list(client.scheduler_info()["workers"])
        chunks = (ROWS // PARTS, FEATURES)
        data, labels = client.persist(
            [da.from_array(X, chunks=chunks), da.from_array(y, chunks=chunks[0])], workers=workers[:1]
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


def greeting(port):
    """What a stranger without a certificate meets: "tls", "plain", or "nothing" where nobody answers."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as raw:
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
    streams: dict  # what passed
    greetings: dict[int, str]  # of the cluster's own ports
    members: set[int]  # ports that were open during the fit alone


def watch_a_fit(secured):
    context = multiprocessing.get_context("spawn")
    with Hosts(1, bridge=False) as hosts, on_host(hosts, 0, Capture, "lo") as capture:
        mine, theirs = context.Pipe()
        process = context.Process(target=_fit, args=(theirs, hosts.names[0], secured))
        process.start()
        try:
            assert mine.poll(60), "the cluster does not start"
            workers = mine.recv()
            before, during = on_host(hosts, 0, listening), set()
            while not mine.poll(0.02):
                during |= on_host(hosts, 0, listening)
            digest = mine.recv()
            greetings = {port: on_host(hosts, 0, greeting, port) for port in before}
            mine.send("done")
            process.join(30)
        finally:
            process.kill()
            process.join()
    assert capture.lost == 0
    return Seen(workers, digest, capture.streams(), greetings, during - before)


def test_a_fit_on_a_cluster_with_certificates_passes_nothing_in_the_clear():
    """Rows, labels, bins and members' frames are in a capture of a cluster without TLS, and in none of one with it."""
    X, y = make_rows(ROWS, FEATURES)
    plain, secured = watch_a_fit(False), watch_a_fit(True)
    assert plain.digest == secured.digest == HistGradientBoostingRegressor(**SETTINGS).fit(X, y).digest_
    assert shown([X.tobytes()], plain) == shown([y.tobytes()], plain) == 1
    assert shown(bins_of(X, y), plain) > 0.1  # those that the second worker gets from the first
    assert shown([X.tobytes()], secured) == shown([X.T.tobytes()], secured) == shown([y.tobytes()], secured) == 0
    assert shown(bins_of(X, y), secured) == 0
    for word in (b"RAMET-1", b"RMT1"):  # of handshakes, of frames
        assert any(word in stream for stream in plain.streams.values())
        assert not any(word in stream for stream in secured.streams.values())

    # The channel is TLS because the workers' addresses are, and nobody listens to anything else.
    assert all(address.startswith("tls://") for address in secured.workers)
    assert len(secured.members) == len(plain.members) == 2
    assert sum(greeting == "tls" for greeting in secured.greetings.values()) >= 3  # the scheduler, two workers
    assert "plain" not in secured.greetings.values()
    assert "plain" in plain.greetings.values()
    talk = {key: stream for key, stream in secured.streams.items() if {key[1], key[3]} & secured.members}
    assert len(talk) == 2  # one connection, both ways
    assert all(len(stream) > 1_000_000 and stream.startswith(TLS_RECORDS) for stream in talk.values())
    assert all(stream.startswith(TLS_RECORDS) for stream in secured.streams.values() if stream)
