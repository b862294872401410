"""What Helm says after an install. `helm template` leaves it out, so a copy of the chart puts it into an object."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from charts import CHART, NAMESPACE, RELEASE, VALUES, Object, of_kind, only, render

OBJECT = """{{- define "notes" }}%s{{ end }}
apiVersion: v1
kind: ConfigMap
metadata: {name: notes}
data: {text: {{ include "notes" . | toJson }}}
"""


@pytest.fixture(scope="session")
def talking(tmp_path_factory: pytest.TempPathFactory) -> Path:
    chart = tmp_path_factory.mktemp("chart") / "ramet"
    shutil.copytree(CHART, chart)
    notes = chart / "templates/NOTES.txt"
    (chart / "templates/notes.yaml").write_text(OBJECT % notes.read_text())
    return chart


def said(values: Object, chart: Path) -> tuple[str, list[Object]]:
    objects = render(values, chart=chart)
    return only(objects, "ConfigMap", "notes")["data"]["text"], objects


@pytest.mark.parametrize("path", VALUES, ids=lambda path: path.stem)
def test_notes_name_what_is_there(path: Path, talking: Path) -> None:
    text, objects = said(yaml.safe_load(path.read_text()), talking)
    assert "<nil>" not in text and "<no value>" not in text and "map[" not in text and "\n\n\n" not in text
    for line in text.splitlines():
        words = line.split()
        if words[:1] in (["kubectl"], ["helm"], ["ramet"]):
            assert words[words.index("-n") + 1] == NAMESPACE
        for word in words:
            if word.startswith("deploy/"):
                only(objects, "Deployment", word.removeprefix("deploy/"))
    assert ("helm test" in text) == bool(of_kind(objects, "Pod"))
    if of_kind(objects, "DaskCluster"):
        assert "ramet cluster" not in text, "which knows the chart's own members alone"
    else:
        assert f"--name {RELEASE}" in text and f"--cluster {RELEASE}" in text
    assert ("TLS IS OFF" in text) == ("tcp://" in yaml.safe_dump(objects))
    assert ("no NetworkPolicy" in text) == (not of_kind(objects, "NetworkPolicy"))


def test_notes_tell_of_volumes_that_are_missing(talking: Path) -> None:
    text, _ = said({}, talking)
    for folder in ("data", "models", "checkpoints"):
        assert f"storage.{folder}" in text
        assert f"storage.{folder}" not in said({"storage": {folder: {"enabled": True}}}, talking)[0]


def test_notes_tell_that_a_home_is_lost(talking: Path) -> None:
    assert "notebook.storage" not in said({"notebook": {"enabled": True}}, talking)[0]
    assert "notebook.storage" in said({"notebook": {"enabled": True, "storage": {"size": ""}}}, talking)[0]
