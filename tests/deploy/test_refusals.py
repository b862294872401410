"""Wrong values are refused by the key, and nothing else is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from charts import CHART, Object, template

REFUSED = yaml.safe_load(Path(__file__).with_name("refused.yaml").read_text())


def complaints(stderr: str) -> dict[str, str]:
    """What Helm says of which key: it writes "at '/worker': additional properties 'x' not allowed" for worker.x."""
    found = {}
    for path, text in re.findall(r"at '([^']*)': (.*)", stderr):
        parent = path.strip("/").replace("~1", "/").replace("/", ".")
        names = re.findall(r"'([^']*)'", text) if "propert" in text else [""]
        for name in names:
            found[f"{parent}.{name}".strip(".")] = text
    return found


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case["key"])
def test_a_wrong_value_is_refused_by_its_key(case: Object) -> None:
    result = template(case["values"])
    assert result.returncode != 0
    if "advice" in case:  # a rule of the chart: key, what is wrong, what to do
        (line,) = (line for line in result.stderr.splitlines() if line.startswith(case["key"]))
        assert case["advice"] in line and line.endswith(".")
    else:
        assert case["key"] in complaints(result.stderr), result.stderr


def leaves(values: Object, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*above, key))
        else:
            yield (*above, key), value


def put(values: Object, path: tuple[str, ...], value: Any) -> None:
    for key in path[:-1]:
        values = values.setdefault(key, {})
    values[path[-1]] = value


DEFAULTS = yaml.safe_load((CHART / "values.yaml").read_text())
ANYTHING = {"labels", "amounts", "global", "env"}  # whose keys are the user's


def test_every_misspelt_key_is_refused_by_its_name() -> None:
    values: Object = {}
    wanted = set()
    for path, _ in leaves(DEFAULTS):
        for length in range(1, len(path) + 1):
            if "requests" in path[: length - 1] or "limits" in path[: length - 1]:
                continue
            misspelt = (*path[: length - 1], f"{path[length - 1]}x")
            put(values, misspelt, None if length == len(path) else {})
            wanted.add(".".join(misspelt))
    for path in wanted:
        put(values, tuple(path.split(".")), "misspelt")
    found = complaints(template(values).stderr)
    assert wanted <= found.keys(), sorted(wanted - found.keys())


@pytest.mark.parametrize("wrong", [[["a list in a list"]], "?!", -3], ids=["list", "text", "number"])
def test_every_value_of_a_wrong_kind_is_refused_by_its_key(wrong: Any) -> None:
    values: Object = {}
    wanted = set()
    for path, default in leaves(DEFAULTS):
        if type(default) is type(wrong) and wrong != "?!" and not isinstance(wrong, int):
            wanted.add(".".join((*path, "0")))
        else:
            wanted.add(".".join(path))
        put(values, path, wrong)
    found = complaints(template(values).stderr)
    texts = {"worker.topologySpread.key"} if wrong == "?!" else set()
    assert wanted - texts <= found.keys(), sorted(wanted - found.keys())


def test_the_schema_knows_every_value_and_no_other() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())

    def resolve(node: Object) -> Object:
        return schema["definitions"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node

    def compare(node: Object, values: Any, path: str) -> None:
        node = resolve(node)
        if not isinstance(values, dict) or "properties" not in node:
            return
        assert node["additionalProperties"] is False, path
        if values:  # {} stands for what the user may say
            assert node["properties"].keys() - {"global"} == values.keys(), path
        for key, value in values.items():
            compare(node["properties"][key], value, f"{path}.{key}")

    compare(schema, DEFAULTS, "")

    def closed(node: Any, path: str) -> None:
        if isinstance(node, dict):
            if "properties" in node and node.get("type") == "object":
                assert node["additionalProperties"] is False, path
            for key, value in node.items():
                closed(value, f"{path}.{key}")

    closed(schema, "")
