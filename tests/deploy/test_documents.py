"""The pages of docs/deploy: no block of code is silently left out of the walk, and the chart takes their values."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml
from charts import ROOT, template

sys.path.insert(0, str(ROOT / "docs" / "extensions"))
from walks import PAGES, RUN, blocks

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


@each_page
def test_every_block_is_run_or_checked_or_says_why_not(page: Path) -> None:
    for block in blocks(page):
        if block.language == "yaml":
            assert block.file or block.not_run, f"{block.where}: a yaml block needs a file's name, or a reason"
        else:
            assert block.language in (*RUN, "text", ""), f"{block.where}: nothing would run {block.language}"
        assert block.not_run is None or len(block.not_run.split()) > 2, f"{block.where}: {block.not_run} is no reason"


@each_page
def test_the_chart_takes_the_values_files(page: Path) -> None:
    for block in blocks(page):
        if block.language == "yaml" and block.file:
            values = yaml.safe_load(block.text)
            assert "kind" in values or (done := template(values)).returncode == 0, f"{block.where}: {done.stderr}"


def test_the_walk_has_the_steps_that_it_promises() -> None:
    """Checked, stored, deployed, opened, scaled, trained in three ways, taken down: each by a block that is run."""
    walk = next(page for page in PAGES if page.stem == "kubernetes")
    run = "\n".join(
        line for block in blocks(walk) if block.language in RUN and not block.not_run for line in block.commands
    )
    for step in (
        "doctor --cluster",
        "cluster up",
        "cluster notebook",
        "cluster scale",
        "--workers 2",
        "--cluster ramet",
    ):
        assert step in run, step
    for step in ("submit train", "digest", "cluster down --keep-data", "cluster down --yes"):
        assert step in run, step
