"""A port of this machine that leads to a port of a pod, through the Kubernetes API.

    with forward(kubernetes, pod_of, 8786) as port:
        …                                    # tcp://127.0.0.1:port is the pod's port 8786

Each connection asks anew which pod it goes to, so that a pod that was replaced is found again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import Any

from ramet.cluster.api import CONNECT, Kubernetes
from ramet.cluster.errors import ClusterError, ForbiddenError

_log = logging.getLogger(__name__)
_BLOCK = 1 << 18
_LARGEST_FRAME = 1 << 24


class Forward:
    """What `forward` gives, for those who close it themselves."""

    def __init__(self, kubernetes: Kubernetes, pod_of: Callable[[], str], port: int, local_port: int = 0) -> None:
        self._kubernetes = kubernetes
        self._pod_of = pod_of
        self._remote = port
        self._connections: set[asyncio.Task[Any]] = set()
        if not kubernetes.may("create", "pods", "portforward"):
            raise ForbiddenError(
                f"this user may not forward ports of pods in namespace {kubernetes.namespace}.",
                "Ask the cluster's administrator for `create` on `pods/portforward` there.",
            )
        try:
            self._server = kubernetes.run(self._listen(local_port), CONNECT)
        except OSError as error:
            raise ClusterError(
                f"port {local_port} of this machine cannot be listened on: {error.strerror}.",
                "Choose another with --port.",
            ) from None
        self.port: int = self._server.sockets[0].getsockname()[1]

    async def _listen(self, local_port: int) -> asyncio.Server:
        return await asyncio.start_server(self._connect, host="127.0.0.1", port=local_port)

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self._kubernetes.run(self.stop(), CONNECT)

    async def stop(self) -> None:
        self._server.close()
        for task in self._connections:
            task.cancel()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._connections.add(task)
        try:
            pod = await asyncio.get_running_loop().run_in_executor(None, self._pod_of)
            await self._carry(pod, reader, writer)
        except asyncio.CancelledError:
            pass
        except Exception as error:  # the connection ends, and who made it sees that
            _log.debug("port %s: %s: %s", self._remote, type(error).__name__, error)
        finally:
            self._connections.discard(task)
            writer.close()

    async def _carry(self, pod: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with self._kubernetes.websocket(
            self._kubernetes.path("pods", pod, "portforward"),
            params={"ports": str(self._remote)},
            max_message_size_bytes=_LARGEST_FRAME,
            keepalive_ping_interval_seconds=None,  # Dask has heartbeats of its own
        ) as socket:
            ways = [asyncio.ensure_future(_send(socket, reader)), asyncio.ensure_future(_receive(socket, writer))]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)


async def _send(socket: Any, reader: asyncio.StreamReader) -> None:
    while data := await reader.read(_BLOCK):
        await socket.send_bytes(b"\0" + data)  # channel 0: data


async def _receive(socket: Any, writer: asyncio.StreamWriter) -> None:
    begun = set()
    while True:
        message = await socket.receive_bytes()
        channel, data = message[0], message[1:]
        if channel not in begun:  # its first message holds the port's number
            begun.add(channel)
        elif channel == 1:
            raise ClusterError(data.decode(errors="replace"))
        else:
            writer.write(data)
            await writer.drain()


@contextlib.contextmanager
def forward(kubernetes: Kubernetes, pod_of: Callable[[], str], port: int, local_port: int = 0) -> Iterator[int]:
    """The local port that leads to `port` of the pod that `pod_of` names whenever a connection is made."""
    ways = Forward(kubernetes, pod_of, port, local_port)
    try:
        yield ways.port
    finally:
        ways.close()
