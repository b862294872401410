"""Members of a group: what they exchange is the same over every channel, and no death leaves anybody waiting."""

import contextlib
import multiprocessing
import os
import signal
import socket
import ssl
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from ramet import _core

SECRET = bytes(range(16))


def connect_all(size, *, secrets=None, tls=None, local=False, **options):
    """Collectives of all members, or the exception that each raised, in order of rank."""
    listeners = [
        _core.Listener("127.0.0.1", tls=None if tls is None else tls[rank], local=local) for rank in range(size)
    ]
    addresses = [("127.0.0.1", listener.port) for listener in listeners]

    def join(rank):
        group = SECRET if secrets is None else secrets[rank]
        try:
            return _core.connect(listeners[rank], rank=rank, addresses=addresses, group=group, **options)
        except OSError as error:
            return error

    with ThreadPoolExecutor(size) as pool:
        return list(pool.map(join, range(size)))


def carried_group(size):
    """Members whose messages Python carries, as Dask's comm would."""
    ready = threading.Condition()
    boxes = {(a, b): [] for a in range(size) for b in range(size)}

    def member(rank):
        def send(to, message):
            with ready:
                boxes[rank, to].append(bytes(message))
                ready.notify_all()

        def receive(source):
            with ready:
                if not ready.wait_for(lambda: boxes[source, rank], timeout=0.05):
                    return None
                return memoryview(boxes[source, rank].pop(0))

        return _core.CommCollective(rank, size, send, receive)

    return [member(rank) for rank in range(size)]


@pytest.fixture(scope="module")
def authorities(tmp_path_factory):
    """Two authorities, "ours" and "other", each with certificates "one" and "two", as PEM files."""
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=folder)

    for authority in ("ours", "other"):
        new = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"]
        openssl(*new, "-x509", "-subj", f"/CN={authority}", "-keyout", f"{authority}.key", "-out", f"{authority}.pem")
        for name in ("one", "two"):
            own = f"{authority}-{name}"
            openssl(*new, "-subj", f"/CN={name}", "-keyout", f"{own}.key", "-out", f"{own}.csr")
            openssl(
                *["x509", "-req", "-days", "1", "-in", f"{own}.csr", "-out", f"{own}.pem"],
                *["-CA", f"{authority}.pem", "-CAkey", f"{authority}.key", "-CAcreateserial"],
            )
    return folder


@pytest.fixture
def tls(authorities):
    def make(authority="ours", name="one", trusts="ours"):
        files = (f"{trusts}.pem", f"{authority}-{name}.pem", f"{authority}-{name}.key")
        return _core.Tls(*(str(authorities / file) for file in files))

    return make


@pytest.fixture
def channels(tls):
    def connect_tls(size):
        return connect_all(size, tls=[tls(name=("one", "two")[rank % 2]) for rank in range(size)])

    def connect_machine(size):
        return connect_all(size, local=True)

    return {
        "local": _core.local_group,
        "tcp": connect_all,
        "machine": connect_machine,
        "tls": connect_tls,
        "comm": carried_group,
    }


def in_threads(members, function):
    with ThreadPoolExecutor(len(members)) as pool:
        return list(pool.map(function, members))


@pytest.mark.parametrize("channel", ["local", "tcp", "machine", "tls", "comm"])
@pytest.mark.parametrize("size", [1, 2, 5])
def test_everybody_gets_everybodys_bytes(channels, channel, size):
    members = channels[channel](size)
    for length in (0, 1, 100_000, 3_000_001):
        expected = [bytes([rank]) * (length + rank) for rank in range(size)]
        assert in_threads(members, lambda member: member.all_gather(expected[member.rank])) == [expected] * size  # noqa: B023
    for rank, member in enumerate(members):
        assert (member.rank, member.size, member.failed, member.error, member.failed_member) == (
            rank,
            size,
            False,
            "",
            -1,
        )
        assert member.use["exchanges"] == 4
        assert member.use["bytes_sent"] == (size - 1) * (3_100_002 + 4 * rank)


@pytest.mark.parametrize("channel", ["local", "tcp", "machine", "tls", "comm"])
def test_one_who_stops_ends_the_others(channels, channel):
    members = channels[channel](3)
    errors = []

    def wait(member):
        with pytest.raises(ConnectionError) as caught:
            member.all_gather(b"x")
        errors.append((time.monotonic(), str(caught.value), member.failed_member))

    threads = [threading.Thread(target=wait, args=[member]) for member in members[:2]]
    for thread in threads:
        thread.start()
    time.sleep(0.1)
    stopped = time.monotonic()
    members[2].stop()
    for thread in threads:
        thread.join(5)
    assert len(errors) == 2
    for at, message, failed_member in errors:
        assert at - stopped < 0.2
        assert "stopped" in message
        assert failed_member == 2
    assert members[2].failed
    with pytest.raises(ConnectionError, match="stopped"):
        members[2].all_gather(b"x")


def test_an_exception_of_the_carrier_is_the_failure():
    def lose(*_):
        raise BrokenPipeError("worker tcp://10.0.0.7:1234 is gone")

    member = _core.CommCollective(0, 2, lambda to, message: None, lose)
    with pytest.raises(ConnectionError, match=r"member 1: .*10\.0\.0\.7:1234 is gone"):
        member.all_gather(b"")
    assert member.failed_member == 1


def test_a_wrong_secret_keeps_one_out():
    results = connect_all(3, secrets=[SECRET, SECRET, SECRET[::-1]], connect_timeout=1)
    assert all(isinstance(result, OSError) for result in results)
    assert "member 2" in str(results[0])
    assert results[0].failed_member == results[1].failed_member == 2
    assert "secret" in str(results[2])


def test_a_member_that_is_not_there_is_named():
    with _closed_port() as port:
        listener = _core.Listener("127.0.0.1")
        began = time.monotonic()
        with pytest.raises(OSError, match=rf"member 0 \(127\.0\.0\.1:{port}\)") as caught:
            _core.connect(
                listener,
                rank=1,
                addresses=[("127.0.0.1", port), ("127.0.0.1", listener.port)],
                group=SECRET,
                connect_timeout=0.5,
            )
        assert 0.5 <= time.monotonic() - began < 1.5
        assert caught.value.failed_member == 0


class _closed_port:
    """A port of loopback at which nobody listens, nor will."""

    def __enter__(self):
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        return self.socket.getsockname()[1]

    def __exit__(self, *_):
        self.socket.close()


def test_strangers_neither_join_nor_delay():
    listeners = [_core.Listener("127.0.0.1") for _ in range(3)]
    addresses = [("127.0.0.1", listener.port) for listener in listeners]
    strangers = []
    for _, port in addresses:
        for first in (
            b"",
            b"GET / HTTP/1.1\r\nHost: ramet\r\n\r\n",
            os.urandom(4000),
            b"RAMET-1\n",
            b"RAMET-1\n" + bytes(48),
        ):
            stranger = socket.create_connection(("127.0.0.1", port))
            stranger.sendall(first)
            strangers.append(stranger)
    began = time.monotonic()
    with ThreadPoolExecutor(3) as pool:
        members = list(
            pool.map(
                lambda rank: _core.connect(listeners[rank], rank=rank, addresses=addresses, group=SECRET), range(3)
            )
        )
    assert time.monotonic() - began < 1
    assert in_threads(members, lambda member: member.all_gather(b"%d" % member.rank)) == [[b"0", b"1", b"2"]] * 3
    for stranger in strangers:
        stranger.close()
    assert in_threads(members, lambda member: member.all_gather(b"")) == [[b"", b"", b""]] * 3


@pytest.mark.parametrize("stranger", ["another authority's", "without TLS"])
def test_tls_keeps_out_whom_the_authority_does_not_know(tls, stranger):
    results = connect_all(2, tls=[tls(), None if stranger == "without TLS" else tls("other")], connect_timeout=1)
    assert all(isinstance(result, OSError) for result in results)
    assert results[0].failed_member == 1
    assert results[1].failed_member == 0


def test_tls_trusts_nobody_of_another_authority(tls):
    results = connect_all(2, tls=[tls(), tls(trusts="other")], connect_timeout=1)
    assert all(isinstance(result, OSError) for result in results)
    assert "certificate" in str(results[1])


def test_tls_under_attack_still_connects(tls):
    listeners = [_core.Listener("127.0.0.1", tls=tls()) for _ in range(2)]
    addresses = [("127.0.0.1", listener.port) for listener in listeners]
    strangers = []
    for first in (b"", b"RAMET-1\n" + bytes(48), b"\x16\x03\x01\x02\x00" + os.urandom(512), os.urandom(5000)):
        stranger = socket.create_connection(addresses[0])
        stranger.sendall(first)
        strangers.append(stranger)
    # One that gets as far as the handshake of TLS lets it, without a certificate, and then says nothing.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    raw = socket.create_connection(addresses[0])
    raw.settimeout(5)
    shaking = threading.Thread(target=lambda: strangers.append(context.wrap_socket(raw)))
    shaking.start()
    with ThreadPoolExecutor(2) as pool:
        members = list(
            pool.map(
                lambda rank: _core.connect(listeners[rank], rank=rank, addresses=addresses, group=SECRET), range(2)
            )
        )
    assert in_threads(members, lambda member: member.all_gather(bytes([member.rank]))) == [[b"\0", b"\1"]] * 2
    shaking.join()
    for stranger in strangers:
        stranger.close()


def test_what_passes_under_tls_is_not_to_be_read(tls):
    """A relay between two members sees nothing of the message, though it sees all of its bytes without TLS."""
    message = b"a label that nobody else may read" * 100
    for settings, readable in ((None, True), (tls(), False)):
        listeners = [_core.Listener("127.0.0.1", tls=settings) for _ in range(2)]
        seen = bytearray()
        with Relay(listeners[0].port, seen) as relay:
            addresses = [("127.0.0.1", relay.port), ("127.0.0.1", listeners[1].port)]
            with ThreadPoolExecutor(2) as pool:
                members = list(
                    pool.map(
                        lambda rank: _core.connect(listeners[rank], rank=rank, addresses=addresses, group=SECRET),  # noqa: B023
                        range(2),
                    )
                )
            assert in_threads(members, lambda member: member.all_gather(message)) == [[message] * 2] * 2
            assert SECRET not in seen
            assert (message in seen) == readable
            assert len(seen) > 2 * len(message)


class Relay:
    """Passes bytes on to a port of loopback, and keeps them."""

    def __init__(self, port, seen):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.target, self.seen, self.ends = port, seen, []

    def __enter__(self):
        def accept():
            near, _ = self.server.accept()
            far = socket.create_connection(("127.0.0.1", self.target))
            self.ends += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pass, args=[source, sink], daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        return self

    def _pass(self, source, sink):
        with contextlib.suppress(OSError):
            while block := source.recv(1 << 16):
                self.seen += block
                sink.sendall(block)
            sink.shutdown(socket.SHUT_WR)

    def __exit__(self, *_):
        self.server.close()
        for end in self.ends:
            end.close()


def test_a_file_that_is_no_certificate_is_named(authorities):
    good = [str(authorities / file) for file in ("ours.pem", "ours-one.pem", "ours-one.key")]
    for place in range(3):
        files = good.copy()
        files[place] = str(authorities / "nothing.pem")
        with pytest.raises(OSError, match=r"nothing\.pem"):
            _core.Tls(*files)
    with pytest.raises(OSError, match=r"other-one\.key.*mismatch"):
        _core.Tls(good[0], good[1], str(authorities / "other-one.key"))


def test_some_by_the_machine_and_some_by_tcp():
    """One who must not use the machine's own sockets, or cannot, comes by TCP all the same."""
    for locals_ in ((True, False, True), (False, True, True)):
        listeners = [_core.Listener("127.0.0.1", local=local) for local in locals_]
        addresses = [("127.0.0.1", listener.port) for listener in listeners]
        with ThreadPoolExecutor(3) as pool:
            members = list(
                pool.map(
                    lambda rank: _core.connect(listeners[rank], rank=rank, addresses=addresses, group=SECRET),  # noqa: B023
                    range(3),
                )
            )
        assert in_threads(members, lambda member: member.all_gather(bytes([member.rank])))[0] == [b"\0", b"\1", b"\2"]


@pytest.mark.parametrize("words", [b"RAMET-1\n" + bytes(64), b""])
def test_a_squatter_of_the_machines_own_name_keeps_nobody_out(words):
    reserved = socket.socket()
    reserved.bind(("127.0.0.1", 0))
    port = reserved.getsockname()[1]
    squatter = socket.socket(socket.AF_UNIX)
    squatter.bind(f"\0ramet-{port}")
    squatter.listen()
    reserved.close()
    listeners = [_core.Listener("127.0.0.1", port), _core.Listener("127.0.0.1")]
    addresses = [("127.0.0.1", listener.port) for listener in listeners]
    accepted = []

    def answer():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = squatter.accept()
                connection.sendall(words)
                accepted.append(connection)

    threading.Thread(target=answer, daemon=True).start()
    with ThreadPoolExecutor(2) as pool:
        members = list(
            pool.map(
                lambda rank: _core.connect(listeners[rank], rank=rank, addresses=addresses, group=SECRET), range(2)
            )
        )
    assert accepted
    squatter.close()
    assert in_threads(members, lambda member: member.all_gather(bytes([member.rank]))) == [[b"\0", b"\1"]] * 2


def test_a_listener_serves_one_group_after_another():
    listeners = [_core.Listener("127.0.0.1") for _ in range(2)]
    addresses = [("127.0.0.1", listener.port) for listener in listeners]
    for epoch in range(5):
        group = SECRET + bytes([epoch])
        with ThreadPoolExecutor(2) as pool:
            members = list(
                pool.map(
                    lambda rank: _core.connect(listeners[rank], rank=rank, addresses=addresses, group=group),  # noqa: B023
                    range(2),
                )
            )
        assert in_threads(members, lambda member: member.all_gather(bytes([member.rank])))[0] == [b"\0", b"\1"]


def test_ipv6():
    try:
        listeners = [_core.Listener("::1") for _ in range(2)]
    except OSError:
        pytest.skip("this machine has no IPv6")
    addresses = [("::1", listener.port) for listener in listeners]
    with ThreadPoolExecutor(2) as pool:
        members = list(
            pool.map(
                lambda rank: _core.connect(listeners[rank], rank=rank, addresses=addresses, group=SECRET), range(2)
            )
        )
    assert in_threads(members, lambda member: member.all_gather(bytes([member.rank]))) == [[b"\0", b"\1"]] * 2


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"rank": 2}, "rank is 2"),
        ({"group": b"short"}, "group has 5 bytes"),
        ({"group": bytes(65)}, "group has 65 bytes"),
        ({"addresses": [("127.0.0.1", 0), ("127.0.0.1", 1)]}, "port 0"),
        ({"connect_timeout": 0}, "connect_timeout"),
        ({"silent_after": -1}, "silent_after"),
    ],
)
def test_what_cannot_be_is_refused(changed, message):
    listener = _core.Listener("127.0.0.1")
    given = {"rank": 0, "addresses": [("127.0.0.1", 1), ("127.0.0.1", 2)], "group": SECRET} | changed
    with pytest.raises(ValueError, match=message):
        _core.connect(listener, **given)


def test_a_port_in_use_is_an_error_that_names_it():
    listener = _core.Listener("127.0.0.1")
    with pytest.raises(OSError, match=rf"127\.0\.0\.1:{listener.port}"):
        _core.Listener("127.0.0.1", listener.port)
    listener.close()
    _core.Listener("127.0.0.1", listener.port).close()
    with pytest.raises(ValueError, match="closed"):
        _core.connect(listener, rank=0, addresses=[("127.0.0.1", 1)], group=SECRET)


def _process(pipe, rank, silent_after, local):
    """A member in a process of its own: exchanges until that fails, and tells when and why."""
    listener = _core.Listener("127.0.0.1", local=local)
    pipe.send(listener.port)
    addresses = pipe.recv()
    member = _core.connect(listener, rank=rank, addresses=addresses, group=SECRET, silent_after=silent_after)
    pipe.send("connected")
    rounds = 0
    try:
        while True:
            assert len(member.all_gather(bytes(1000))) == len(addresses)
            rounds += 1
            if pipe.poll():
                pipe.recv()
                hold_the_gil(1.5 * silent_after)
    except ConnectionError as error:
        pipe.send((time.monotonic(), rounds, str(error), member.failed_member))


def hold_the_gil(seconds):
    # One long call of the interpreter that does not give way.
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sum(range(20_000_000))


class Processes:
    def __init__(self, size, silent_after, local=False):
        context = multiprocessing.get_context("spawn")
        pipes = [context.Pipe() for _ in range(size)]
        self.pipes = [pipe for pipe, _ in pipes]
        self.processes = [
            context.Process(target=_process, args=(theirs, rank, silent_after, local), daemon=True)
            for rank, (_, theirs) in enumerate(pipes)
        ]
        for process in self.processes:
            process.start()
        addresses = [("127.0.0.1", self._receive(rank)) for rank in range(size)]
        for pipe in self.pipes:
            pipe.send(addresses)
        for rank in range(size):
            assert self._receive(rank) == "connected"
        time.sleep(0.3)

    def _receive(self, rank, timeout=30):
        assert self.pipes[rank].poll(timeout), f"member {rank} says nothing"
        return self.pipes[rank].recv()

    def signal(self, rank, number):
        os.kill(self.processes[rank].pid, number)
        return time.monotonic()

    def end(self, rank, timeout=30):
        return self._receive(rank, timeout)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.join()


@pytest.mark.parametrize("local", [False, True])
def test_a_killed_process_is_noticed_at_once(local):
    with Processes(3, silent_after=10, local=local) as group:
        killed = group.signal(1, signal.SIGKILL)
        for rank in (0, 2):
            at, rounds, message, failed_member = group.end(rank)
            assert at - killed < 0.3
            assert rounds > 10
            assert "member 1" in message
            assert failed_member == 1


@pytest.mark.parametrize("local", [False, True])
def test_a_frozen_process_is_noticed_and_finds_itself_expelled(local):
    with Processes(3, silent_after=1, local=local) as group:
        frozen = group.signal(1, signal.SIGSTOP)
        for rank in (0, 2):
            at, _, message, failed_member = group.end(rank)
            assert 0.7 < at - frozen < 2
            assert "member 1" in message
            assert failed_member == 1
        thawed = group.signal(1, signal.SIGCONT)
        at, _, _, _ = group.end(1)
        assert at - thawed < 1


def test_a_short_freeze_harms_nobody():
    with Processes(2, silent_after=2) as group:
        for _ in range(3):
            group.signal(1, signal.SIGSTOP)
            time.sleep(0.7)
            group.signal(1, signal.SIGCONT)
            time.sleep(0.3)
        # All frozen at once, for longer: time in which nobody ran is nobody's silence.
        for rank in range(2):
            group.signal(rank, signal.SIGSTOP)
        time.sleep(3)
        for rank in range(2):
            group.signal(rank, signal.SIGCONT)
        time.sleep(0.5)
        assert not any(pipe.poll() for pipe in group.pipes)


def test_a_held_gil_is_not_taken_for_death():
    with Processes(2, silent_after=0.7) as group:
        group.pipes[0].send("hold it")
        time.sleep(2.5)
        assert not any(pipe.poll() for pipe in group.pipes)
