"""Runs in short pods that `ramet doctor --cluster` starts, as text for `python -c`: the standard library only.

    serve PORT          answers the other one's measurements
    measure HOST PORT   latency, bandwidth and the difference of clocks to `serve`, as one line of JSON
    gpu                 what nvidia-smi says

All print what they have of Python, Dask and Ramet too.
"""

from __future__ import annotations

import json
import platform
import socket
import statistics
import struct
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from typing import Any

PACKAGES = ("ramet", "dask", "distributed", "numpy", "pyarrow", "cloudpickle", "msgpack")
PATIENCE = 60.0  # seconds until the other pod counts as out of reach
SECONDS = 2.0  # of measuring the bandwidth
ROUNDS = 200
BLOCK = 1 << 20
STAMP = struct.Struct("!dd")


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "missing"
    return found


def serve(port: int) -> None:
    """One connection at a time: b"t" is answered with the time, b"d" is followed by data until the stream ends."""
    with socket.create_server(("", port)) as server:
        while True:
            connection, _ = server.accept()
            with connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while (word := connection.recv(1)) == b"t":
                    connection.sendall(STAMP.pack(time.time(), time.time()))
                if word == b"d":
                    received = 0
                    while data := connection.recv(BLOCK):
                        received += len(data)
                    connection.sendall(str(received).encode())


def measure(host: str, port: int) -> dict[str, Any]:
    result: dict[str, Any] = {}
    with _connect(host, port) as connection:
        trips, skews = [], []
        for _ in range(ROUNDS):
            begin, tick = time.time(), time.perf_counter()
            connection.sendall(b"t")
            received, sent = STAMP.unpack(_exactly(connection, STAMP.size))
            trips.append(time.perf_counter() - tick)
            skews.append((received + sent) / 2 - (begin + trips[-1] / 2))
        result["latency"] = statistics.median(trips)
        result["clock_skew"] = skews[trips.index(min(trips))]
    with _connect(host, port) as connection:
        block, begin = bytes(BLOCK), time.perf_counter()
        connection.sendall(b"d")
        while time.perf_counter() - begin < SECONDS:
            connection.sendall(block)
        connection.shutdown(socket.SHUT_WR)
        received = int(_until_end(connection))
        result["bandwidth"] = received / (time.perf_counter() - begin)
    try:
        socket.getaddrinfo("kubernetes.default.svc", 443)
        result["dns"] = True
    except OSError as error:
        result["dns"] = str(error)
    return result


def _connect(host: str, port: int) -> socket.socket:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            connection = socket.create_connection((host, port), timeout=5)
            connection.settimeout(30)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            raise ConnectionError("the other pod closed the connection")
        data += piece
    return data


def _until_end(connection: socket.socket) -> bytes:
    data = b""
    while piece := connection.recv(4096):
        data += piece
    return data


def gpu() -> dict[str, Any]:
    ask = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(ask, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return {"error": f"nvidia-smi does not run: {error}"}
    if done.returncode:
        return {"error": f"nvidia-smi failed: {(done.stderr or done.stdout).strip()[:300]}"}
    return {"gpus": done.stdout.strip().splitlines()}


def main(arguments: list[str]) -> None:
    told: dict[str, Any] = {"versions": versions()}
    match arguments:
        case ["serve", port]:
            print(json.dumps(told), flush=True)
            serve(int(port))
        case ["measure", host, port]:
            try:
                told |= measure(host, int(port))
            except OSError as error:
                told["error"] = str(error)
        case ["gpu"]:
            told |= gpu()
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
