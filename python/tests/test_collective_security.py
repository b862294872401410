"""What strangers see and can do: members as processes on hosts of their own, a capture between them, and an attack.

Needs root, for the hosts and the capture.
"""

import collections
import contextlib
import itertools
import multiprocessing
import os
import queue
import socket
import ssl
import statistics
import threading
import time

import pytest
from capture import Capture
from member_processes import Members, make_rows, new_group, parts_of
from namespaces import Hosts, missing, on_host
from test_collective import authorities, in_threads  # noqa: F401

from ramet import _core

MISSING = missing()
pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)

PARAMETERS = {"max_iter": "4", "early_stopping": "false", "loss": "squared_error"}
ROWS, FEATURES = 3000, 6
CHUNK = 16  # bytes of a message by which it is recognised


@pytest.fixture(scope="module")
def table():
    X, y = make_rows(ROWS, FEATURES)
    return parts_of(X, y, 4, PARAMETERS)


@pytest.fixture
def files(authorities):  # noqa: F811
    def of(authority="ours"):
        names = ("ours.pem", f"{authority}-one.pem", f"{authority}-one.key")
        return tuple(str(authorities / name) for name in names)

    return of


@pytest.fixture
def hosts():
    with Hosts(2) as hosts:
        yield hosts


def alone(table, parameters=PARAMETERS):
    binning, parts = table
    data = _core.Dataset.assemble(_core.Context(1), binning, parts, total_rows=ROWS)
    return _core.train(_core.Context(1), parameters, data).model.digest


# ── What a capture shows ──


def chunks_of(messages):
    """Pieces of messages that do not occur by chance."""
    return {
        message[at : at + CHUNK]
        for message in messages
        for at in range(0, len(message) - CHUNK + 1, CHUNK)
        if len(set(message[at : at + CHUNK])) >= CHUNK // 2
    }


def found(chunks, streams):
    return chunks & {stream[at : at + CHUNK] for stream in streams for at in range(len(stream) - CHUNK + 1)}


def messages_of_training(table):
    """Those that two members exchange, as they are before any channel has them."""
    binning, parts = table
    data = [_core.Dataset.assemble(_core.Context(1), binning, parts[rank::2], total_rows=ROWS) for rank in range(2)]
    messages = []
    header = 32  # of a carried message: not what was exchanged
    boxes = [queue.SimpleQueue(), queue.SimpleQueue()]

    def send(to, message):
        boxes[to].put(bytes(message))
        messages.append(bytes(message[header:]))

    members = [_core.CommCollective(rank, 2, send, lambda _, rank=rank: boxes[rank].get(timeout=30)) for rank in (0, 1)]
    in_threads(members, lambda member: _core.train(_core.Context(1), PARAMETERS, data[member.rank], collective=member))
    return messages


def test_a_capture_of_a_training_under_tls_shows_nothing_of_it(hosts, table, files):
    """Every message that the members exchange is in a capture of plain TCP, and no piece of one in that of TLS."""
    chunks = chunks_of(messages_of_training(table))
    assert len(chunks) > 5000
    for tls_files in (None, files()):
        group = new_group()
        with Members(2, hosts=hosts, tls_files=tls_files) as members:
            members.hold([0, 1], *table, ROWS)
            with on_host(hosts, 0, Capture, "eth0") as capture:
                members.connect([0, 1], group)
                members.train([0, 1], PARAMETERS)
                results = [members.answer(rank) for rank in range(2)]
                time.sleep(0.2)
        assert capture.lost == 0
        assert [result["digest"] for result in results] == [alone(table)] * 2
        streams = list(capture.streams().values())
        assert sum(map(len, streams)) >= sum(result["use"]["bytes_sent"] for result in results)
        assert found(chunks, streams) == (chunks if tls_files is None else set())
        assert not any(group in stream or group.hex().encode() in stream for stream in streams)
        if tls_files is not None:
            assert not any(b"RAMET" in stream or b"RMT1" in stream for stream in streams)


# ── What strangers can do ──

HELLO = b"RAMET-1\n" + (1).to_bytes(4, "little") + bytes(4) + (2).to_bytes(4, "little") + bytes(36)  # of member 1 to 0


class Strangers:
    """All ways to call a listener without being of the group. Connections stay open until `let_go`."""

    def __init__(self, address, files):
        self.address, self.open = address, []
        self.slow = []
        self.contexts = [ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) for _ in range(2)]  # without, and with a certificate
        for context in self.contexts:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.contexts[1].load_cert_chain(*files("other")[1:])

    def call(self, first=b"", end=False):
        caller = socket.socket()
        caller.setblocking(False)
        with contextlib.suppress(OSError):
            caller.connect_ex(self.address)
            if first:
                caller.send(first)
            if end:
                caller.shutdown(socket.SHUT_WR)
        self.open.append(caller)
        return caller

    def shake_hands(self, context):
        """A handshake of TLS as far as the listener lets it."""
        caller = self.call()
        with contextlib.suppress(OSError):
            caller.settimeout(0.2)
            secured = context.wrap_socket(caller)
            self.open.append(secured)
            secured.sendall(HELLO)
            return secured.recv(1)
        return b""

    def wave(self):
        """One of each kind."""
        for first in (b"", os.urandom(5000), b"GET / HTTP/1.1\r\n\r\n", HELLO, HELLO[:20], b"\x16\x03\x01\x02\x00\x01"):
            self.call(first)
            self.call(first, end=True)
        self.slow += [self.call(), self.call()]
        for caller in self.slow:
            with contextlib.suppress(OSError):
                caller.send(b"\x16" if caller.fileno() % 2 else b"R")

    def let_go(self):
        for caller in self.open:
            with contextlib.suppress(OSError):
                caller.close()
        self.open.clear()
        self.slow.clear()


@contextlib.contextmanager
def until_done(function):
    """Calls function(stop) on a thread, meanwhile."""
    stop = threading.Event()
    thread = threading.Thread(target=function, args=[stop])
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("channel", ["tcp", "tls"])
def test_a_group_meets_while_strangers_call(table, files, channel):
    """From 500 connections that say nothing, and new ones all the time of every kind; none is let in."""
    with Members(2, tls_files=files() if channel == "tls" else None) as members:
        members.hold([0, 1], *table, ROWS)
        strangers = [Strangers(address, files) for address in members.addresses]
        answered = []

        def attack(stop):
            while not stop.is_set():
                for stranger in strangers:
                    stranger.wave()
                    answered.extend(stranger.shake_hands(context) for context in stranger.contexts)
                    if len(stranger.open) > 600:
                        stranger.let_go()

        for stranger in strangers:
            for _ in range(250):
                stranger.call()
        with until_done(attack):
            for _ in range(5):
                began = time.monotonic()
                answers = members.connect([0, 1], new_group(), connect_timeout=20)
                assert all(isinstance(answer, float) for answer in answers), answers
                assert max(answers) - began < 10
            members.train([0, 1], PARAMETERS)
            results = [members.answer(rank) for rank in range(2)]
        assert [result["digest"] for result in results] == [alone(table)] * 2
        assert set(answered) <= {b""}
        for stranger in strangers:
            stranger.let_go()


def flood(address):
    """Calls as fast as it can, and says nothing."""
    callers = collections.deque(maxlen=200)  # who drops out hangs up
    while True:
        caller = socket.socket()
        caller.setblocking(False)
        caller.connect_ex(address)
        callers.append(caller)


@pytest.mark.parametrize("channel", ["tcp", "tls"])
def test_a_group_meets_in_a_flood_of_calls(table, files, channel):
    """More than ten thousand a second, as far as the machine goes: none has the place of a member that calls."""
    with Members(2, tls_files=files() if channel == "tls" else None) as members:
        floods = [multiprocessing.Process(target=flood, args=members.addresses[:1], daemon=True) for _ in range(2)]
        for process in floods:
            process.start()
        try:
            time.sleep(0.3)
            for _ in range(3):
                began = time.monotonic()
                answers = members.connect([0, 1], new_group(), connect_timeout=30)
                assert all(isinstance(answer, float) for answer in answers), answers
                assert max(answers) - began < 15
        finally:
            for process in floods:
                process.kill()
                process.join()


@pytest.mark.parametrize("channel", ["tcp", "tls"])
def test_strangers_do_not_slow_a_training(table, files, channel):
    """Rounds while strangers call take as long as those between: windows of both alternate within one training."""
    parameters = PARAMETERS | {"max_iter": "1200"}
    window = 0.1
    with Members(2, tls_files=files() if channel == "tls" else None) as members:
        members.hold([0, 1], *table, ROWS)
        strangers = [Strangers(address, files) for address in members.addresses]
        windows = []

        def attack(stop):
            while not stop.is_set():
                began = time.monotonic()
                while time.monotonic() < began + window:
                    for stranger in strangers:
                        stranger.wave()
                    time.sleep(0.01)
                windows.append((began, time.monotonic()))
                for stranger in strangers:
                    stranger.let_go()
                stop.wait(window)

        members.connect([0, 1], new_group())
        with until_done(attack):
            members.train([0, 1], parameters)
            results = [members.answer(rank) for rank in range(2)]
        assert results[0]["digest"] == results[1]["digest"] == alone(table, parameters)
        times = {True: [], False: []}
        for begin, end in itertools.pairwise(results[0]["times"]):
            attacked = any(first < end and begin < last for first, last in windows)
            times[attacked].append(end - begin)
        assert min(map(len, times.values())) > 100
        quiet, attacked = statistics.median(times[False]), statistics.median(times[True])
        assert attacked < 2 * quiet, f"a round takes {1e3 * attacked:.2f} ms instead of {1e3 * quiet:.2f}"
        # And the next group of the same listeners meets behind all that wait there.
        for stranger in strangers:
            for _ in range(300):
                stranger.call()
        began = time.monotonic()
        answers = members.connect([0, 1], new_group(), connect_timeout=20)
        assert all(isinstance(answer, float) for answer in answers), answers
        assert max(answers) - began < 10
        for stranger in strangers:
            stranger.let_go()


def test_a_certificate_alone_makes_nobody_a_member(table, files):
    """One of the authority, but without the group's secret, calls before member 1 does, in its place."""
    with Members(3, tls_files=files()) as members:
        members.hold([0, 1], *table, ROWS)
        ours = {"addresses": members.addresses[:2], "group": new_group(), "connect_timeout": 20}
        theirs = {"addresses": [members.addresses[0], members.addresses[2]], "group": new_group(), "connect_timeout": 2}
        members.order(0, "connect", {"rank": 0, **ours})
        members.order(2, "connect", {"rank": 1, **theirs})
        refused = members.answer(2)
        assert refused["failed_member"] == 0
        assert "does not know this group's secret" in refused["error"]
        assert not members.pipes[0].poll()  # still waits for member 1
        members.order(1, "connect", {"rank": 1, **ours})
        assert all(isinstance(members.answer(rank), float) for rank in (0, 1))
        members.train([0, 1], PARAMETERS)
        assert [members.answer(rank)["digest"] for rank in range(2)] == [alone(table)] * 2


def test_what_was_overheard_opens_nothing_again(hosts, table):
    """All that a member said when it met the group is said again, by one who captured it, to a group of its secret."""
    group = new_group()
    with Members(2, hosts=hosts) as members:
        with on_host(hosts, 0, Capture, "eth0") as capture:
            members.connect([0, 1], group)
            time.sleep(0.2)
        port = members.addresses[0][1]
        (overheard,) = (stream for (_, _, _, sink), stream in capture.streams().items() if sink == port)
        assert overheard.startswith(b"RAMET-1\n")
        arguments = {"rank": 0, "addresses": members.addresses, "group": group, "connect_timeout": 2}
        members.order(0, "connect", arguments)
        time.sleep(0.2)

        def say_again():
            with socket.create_connection(members.addresses[0]) as caller:
                caller.settimeout(1.5)
                caller.sendall(overheard)
                heard = b""
                with contextlib.suppress(OSError):
                    while more := caller.recv(1000):
                        heard += more
                return heard

        heard = on_host(hosts, 1, say_again)
        assert heard.startswith(b"RAMET-1\n")  # it was taken for a caller
        assert b"WELCOME" not in heard
        refused = members.answer(0)
        assert refused["failed_member"] == 1
