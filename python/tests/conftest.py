"""Shared by all Python tests: exceptions of foreign suites, random seeds."""

import fnmatch
import signal

import pytest


def pytest_collection_modifyitems(items):
    """A module's EXCEPTIONS, {pattern of test names: reason}, must fail; one that no longer does is an error."""
    for item in items:
        exceptions = getattr(getattr(item, "module", None), "EXCEPTIONS", {})
        for pattern, reason in exceptions.items():
            if fnmatch.fnmatchcase(item.name, pattern):
                item.add_marker(pytest.mark.xfail(reason=reason, strict=True))


@pytest.fixture
def global_random_seed():
    """What scikit-learn's suites take their seeds from."""
    return 42


@pytest.fixture(autouse=True, scope="session")
def ctrl_c_raises():
    """A shell that starts the tests in the background has told them to ignore SIGINT: Ctrl-C is tested all the same."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
