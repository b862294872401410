"""The fixture of the command's tests; what they import is in command_line.py, for there are other conftest.py."""

from command_line import ramet

__all__ = ["ramet"]
