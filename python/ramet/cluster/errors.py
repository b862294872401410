"""What ends a verb of `ramet cluster` and its like: a message, and what to do about it."""

from __future__ import annotations


class ClusterError(Exception):
    """The world is not as it must be.

    Parameters
    ----------
    message : str
        What is wrong, and where, as a sentence.
    remedy : str
        What to do about it, as a sentence; empty where nothing can be done.
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        between = "" if message.endswith("\n") else " "
        super().__init__(f"{message}{between}{remedy}".rstrip())
        self.message = message
        self.remedy = remedy


class MissingError(ClusterError):
    """What was asked for does not exist."""


class ForbiddenError(ClusterError):
    """The user may not do this."""
