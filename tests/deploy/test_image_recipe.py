"""What the image's recipe is held to. What the image is like that it makes, `make e2e` finds out."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

import pytest
from charts import ROOT

IMAGE = ROOT / "deploy/image"
LOCKS = sorted(IMAGE.glob("*.lock"))


class Instruction(NamedTuple):
    """A line of the Containerfile, with the lines that go on from it."""

    word: str
    rest: str


def instructions() -> list[Instruction]:
    lines = [line for line in (IMAGE / "Containerfile").read_text().splitlines() if not re.match(r"\s*(#|$)", line)]
    whole = "\n".join(lines).replace("\\\n", " ")
    return [Instruction(*line.split(maxsplit=1)) for line in whole.splitlines()]


def of(word: str) -> list[str]:
    return [instruction.rest for instruction in instructions() if instruction.word == word]


def last_stage() -> list[Instruction]:
    every = instructions()
    start = max(number for number, instruction in enumerate(every) if instruction.word == "FROM")
    return every[start:]


def test_it_runs_as_nobody_in_particular() -> None:
    """By number: `runAsNonRoot` can't know who a name is. Of group 0, so that any UID may run it."""
    assert [rest for word, rest in last_stage() if word == "USER"] == ["1000"]
    assert any("useradd --uid 1000 --gid 0 " in rest for word, rest in last_stage() if word == "RUN")
    assert not re.search(r"\bsudo\b|setuid|chmod (u\+s|[4-7]\d{3})|chmod -R 777", (IMAGE / "Containerfile").read_text())


def test_signals_reach_what_runs() -> None:
    """Exec form, and an init that passes them on: else a worker never hears that it is to go."""
    (entry,) = (rest for word, rest in last_stage() if word == "ENTRYPOINT")
    (command,) = (rest for word, rest in last_stage() if word == "CMD")
    assert json.loads(entry) == ["tini", "--"] and isinstance(json.loads(command), list)


def test_no_secret_goes_in() -> None:
    named = re.compile(r"secret|password|passwd|token|credential|api_?key", re.I)
    for instruction in instructions():
        if instruction.word in ("ENV", "ARG", "LABEL"):
            assert not named.search(instruction.rest), instruction
    for path in (path for path in (IMAGE / "root").rglob("*") if path.is_file()):
        assert not re.search(r"BEGIN [A-Z ]*PRIVATE KEY|(password|token)\s*[:=]\s*['\"][^'\"]+['\"]", path.read_text())


def test_nothing_is_fetched_that_is_not_locked() -> None:
    assert not of("ADD"), "ADD unpacks, and fetches by URL"
    for command in of("RUN"):
        assert not re.search(r"\b(curl|wget)\b|https?://|git clone|--trusted-host|--allow-unauthenticated", command)
        if "/pip install" in command:
            assert "--require-hashes" in command or "--no-index" in command
            assert "--no-deps" in command


def test_the_base_is_the_only_image_and_has_a_version() -> None:
    named = {re.sub(r".* AS ", "", rest) for rest in of("FROM") if " AS " in rest}
    bases = {rest.split(" AS ")[0] for rest in of("FROM")}
    assert bases <= named | {"${BASE}"}
    (base,) = (rest for rest in of("ARG") if rest.startswith("BASE="))
    tag = base.rpartition(":")[2]
    assert "/" not in tag and tag != "latest"


def test_apt_leaves_nothing_in_the_image() -> None:
    for instruction in last_stage():
        assert "apt-get install" not in instruction.rest, "the stage that all build on does that"
    for command in of("RUN"):
        if "apt-get install" in command:
            assert "--no-install-recommends" in command and "apt-get update" in command


def test_what_is_copied_is_there_and_nothing_else_is_sent() -> None:
    ignored = (IMAGE / "Containerfile.dockerignore").read_text().splitlines()
    rules = [line for line in ignored if line and not line.startswith("#")]
    assert rules[0] == "*", "all is left out but what is named"
    let_in = [rule[1:] for rule in rules if rule.startswith("!")]
    for rest in (rest for rest in of("COPY") if not rest.startswith("--from")):
        for source in rest.split()[:-1]:
            plain = re.sub(r"\[(.)\]", r"\1", source)  # a pattern, so that what it names may be missing
            assert any(fnmatch(plain, f"{rule}*") for rule in let_in), source
            if not source.startswith("build/"):  # what is built is there later
                assert list(ROOT.glob(source)), source


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_every_package_is_locked_with_its_hashes(lock: Path) -> None:
    text = "\n".join(line for line in lock.read_text().splitlines() if not re.match(r"\s*#", line))
    entries = [entry for entry in text.replace("\\\n", " ").splitlines() if entry.strip()]
    assert entries
    for entry in entries:
        if not entry.startswith("--"):
            assert re.match(r"[A-Za-z0-9._-]+(\[[^\]]*\])?==\S+\s.*--hash=sha256:[0-9a-f]{64}", entry), entry
        else:
            assert not re.match(r"--(trusted-host|index-url|extra-index-url)", entry), (
                "whose index is the machine's affair"
            )


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~ ;#]", name)[0]).lower()


def test_the_lock_has_what_was_asked_for() -> None:
    wanted = {normal(line) for line in (IMAGE / "requirements.in").read_text().splitlines() if re.match(r"\w", line)}
    locked = {normal(line) for line in (IMAGE / "requirements.lock").read_text().splitlines() if re.match(r"\w", line)}
    assert wanted and wanted <= locked
    # Of the chart: metrics for Prometheus, and what its workers and its notebook run.
    assert {"dask", "distributed", "jupyterlab", "prometheus-client"} <= locked
