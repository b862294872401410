"""Messages of members to the client that wants them: one topic for each client, however many fits it runs."""

# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from distributed import Client

Listener = Callable[[dict[str, Any]], None]


class Channel:
    """Passes a message on to the fit that it is about. The scheduler keeps a bounded number of old ones."""

    _of_clients: WeakKeyDictionary[Client, Channel] = WeakKeyDictionary()

    def __init__(self, client: Client) -> None:
        self.topic = f"ramet-{client.id}"
        self._listeners: dict[str, Listener] = {}
        client.subscribe_topic(self.topic, self._hear)

    @classmethod
    def of(cls, client: Client) -> Channel:
        channel = cls._of_clients.get(client)
        if channel is None:
            channel = cls._of_clients[client] = cls(client)
        return channel

    def listen(self, fit: str, listener: Listener) -> None:
        self._listeners[fit] = listener

    def forget(self, fit: str) -> None:
        self._listeners.pop(fit, None)

    def _hear(self, event: tuple[float, dict[str, Any]]) -> None:
        _, message = event
        listener = self._listeners.get(message["fit"])
        if listener is not None:
            listener(message)
