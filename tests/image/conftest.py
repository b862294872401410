"""The image that `make image` built, unpacked."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from container import Container, Image
from lab import install

ROOT = Path(__file__).resolve().parents[2]
VERSION = re.search(r"project\(ramet VERSION ([0-9.]+)", (ROOT / "CMakeLists.txt").read_text())[1]  # type: ignore[index]
ARCHIVE = ROOT / f"build/image/ramet-{VERSION}.tar"
CHECK = ROOT / "build/image/check"


@pytest.fixture(scope="session")
def image() -> Image:
    if not shutil.which("runc"):
        install("runc")
    assert ARCHIVE.exists(), f"there is no {ARCHIVE}: `make image` builds it"
    return Image(ARCHIVE, CHECK / "roots")


@pytest.fixture
def start(image: Image, tmp_path: Path) -> Iterator[Callable[..., Container]]:
    """Starts containers that end with the test."""
    with ExitStack() as stack:
        yield lambda **how: stack.enter_context(Container(image, tmp_path, **how))
