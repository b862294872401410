"""The command of the wheel reads files as the native command does: the same data, and the same words about bad ones."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).resolve().parents[2]
NATIVE = Path(os.environ.get("RAMET", ROOT / "build" / "release" / "src" / "cli" / "ramet"))

needs_native = pytest.mark.skipif(not NATIVE.exists(), reason="the native command is not built (make)")

# Values of one kind each, as they may stand in a CSV file.
VALUES = {
    "integers": ["0", "-7", "12", "9007199254740993"],
    "numbers": ["0.5", "-1e3", "3", "nan", "inf"],
    "booleans": ["true", "False", "TRUE"],
    "dates": ["2024-01-31", "1969-07-20"],
    "stamps": ["2024-01-31 12:00:00", "2024-01-31T12:00:00.25", "2024-01-31"],
    "zoned": ["2024-01-31 12:00:00Z", "2024-01-31 12:00:00+02:00"],
    "times": ["12:00:00", "23:59:59"],
    "texts": ["red", " green", "blü", '"a,b"', '"two\nlines"', '"say ""so"""', '5" pipe', '""', "-"],
    "missing": ["", "NA", "NULL", '"NaN"'],
}
LINE_ENDS = ["\n", "\r\n", "\r"]


def csv(generator: random.Random, header: list[str], delimiter: str) -> str:
    """A table whose columns hold one kind of values, sometimes two from some row on; some rows are broken."""
    kinds = [generator.choice([*VALUES]) for _ in header]
    later = [generator.choice([*VALUES]) if generator.random() < 0.2 else kind for kind in kinds]
    rows, change = generator.randint(0, 40), generator.randint(0, 40)
    end = generator.choice(LINE_ENDS)
    lines = [delimiter.join(header)]
    for row in range(rows):
        used = kinds if row < change else later
        values = [generator.choice(VALUES[generator.choice([kind, kind, kind, "missing"])]) for kind in used]
        if generator.random() < 0.002:
            values.append("1")
        lines.append(delimiter.join(value.replace(",", delimiter) for value in values))
        if generator.random() < 0.02:
            lines.append("")
    return end.join(lines) + (end if generator.random() < 0.8 else "")


def said(*arguments: str | Path, folder: Path, native: bool, env: dict[str, str] | None = None) -> tuple[int, str, str]:
    command = [NATIVE] if native else [sys.executable, "-m", "ramet"]
    environment = os.environ | (env or {})
    done = subprocess.run([*command, *arguments], cwd=folder, capture_output=True, text=True, env=environment)
    return done.returncode, done.stdout, done.stderr


def assert_same(folder: Path, *arguments: str, threads: str = "2") -> int:
    env = {"RAMET_THREADS": threads}
    ours, native = (said(*arguments, folder=folder, native=which, env=env) for which in (False, True))
    assert ours == native, arguments
    return ours[0]


@needs_native
@pytest.mark.parametrize("seed", range(15))
def test_random_csv_files_are_the_same_data(tmp_path: Path, seed: int):
    generator = random.Random(seed)
    delimiter = generator.choice([",", ",", ";", "\t"])
    header = ["a", "b", '"c d"', "é", "e"][: generator.randint(1, 5)]
    files = []
    for number in range(generator.randint(1, 3)):
        files.append(f"{number}.csv")
        (tmp_path / files[-1]).write_text(csv(generator, header, delimiter), newline="")
    flags = ["--delimiter", delimiter] if delimiter != "," else []
    if generator.random() < 0.3:
        flags += ["--type", "a=" + generator.choice(["string", "float64", "category", "int64", "timestamp"])]
    if generator.random() < 0.3:
        flags += ["--missing", "red"]
    assert_same(tmp_path, "digest", "--data", *files, *flags, threads=generator.choice(["1", "3"]))


@needs_native
def test_rows_with_line_ends_may_lie_across_blocks(tmp_path: Path):
    generator = random.Random(1)
    with (tmp_path / "a.csv").open("w", newline="") as file:
        file.write("text,number\n")
        for row in range(120_000):
            text = "x" * generator.randint(0, 120)
            file.write(f'"{text}\n""{text}""",{row}\n' if row % 3 else f"{text},{row}\n")
    assert (tmp_path / "a.csv").stat().st_size > 3 * (4 << 20)
    assert assert_same(tmp_path, "digest", "--data", "a.csv") == 0


@needs_native
def test_a_column_that_turns_to_text_late_is_text_from_the_start(tmp_path: Path):
    lines = ["n,late"] + [f"{row},00{row % 7}" for row in range(900_000)] + ["1,x"]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    assert (tmp_path / "a.csv").stat().st_size > 2 * (4 << 20)
    assert assert_same(tmp_path, "digest", "--data", "a.csv") == 0


@needs_native
@pytest.mark.parametrize("packing", ["gzip", "bz2", "zstd", "lz4"])
def test_packed_files_are_unpacked(tmp_path: Path, packing: str):
    ending = {"gzip": "gz", "bz2": "bz2", "zstd": "zst", "lz4": "lz4"}[packing]
    with pa.CompressedOutputStream(str(tmp_path / f"a.csv.{ending}"), packing) as file:
        file.write(csv(random.Random(3), ["a", "b"], ",").encode())
    assert_same(tmp_path, "digest", "--data", f"a.csv.{ending}")


TABLES = {
    "int32": pa.table({"a": pa.array([1, 2, None], pa.int32()), "b": ["x", None, "y"]}),
    "int64": pa.table({"b": ["x", "z", "y"], "a": pa.array([1, 2**60, 3], pa.int64())}),
    "uint64": pa.table({"a": pa.array([1, 2, 3], pa.uint64()), "b": ["x", "z", "y"]}),
    "float16": pa.table({"a": pa.array(np.array([1, 2.5, 3], np.float16)), "b": ["x", "z", "y"]}),
    "nulls": pa.table({"a": pa.nulls(3), "b": ["x", "z", "y"]}),
    "large text": pa.table({"a": [1.5, 2.5, 3.5], "b": pa.array(["x", "z", "y"], pa.large_utf8())}),
    "dictionary": pa.table({"a": [1, 2, 3], "b": pa.array(["x", "z", "y"]).dictionary_encode()}),
    "seconds": pa.table({"a": pa.array([1, 2, 3], pa.timestamp("s")), "b": ["x", "z", "y"]}),
    "nanoseconds": pa.table({"a": pa.array([1, 2, 3], pa.timestamp("ns")), "b": ["x", "z", "y"]}),
    "zone": pa.table({"a": pa.array([1, 2, 3], pa.timestamp("ns", "UTC")), "b": ["x", "z", "y"]}),
    "list": pa.table({"a": [[1], [2], []], "b": ["x", "z", "y"]}),
    "other names": pa.table({"a": [1, 2, 3], "c": ["x", "z", "y"]}),
    "more names": pa.table({"a": [1, 2, 3], "b": ["x", "z", "y"], "c": [1, 2, 3]}),
    "twice": pa.table([[1, 2, 3], [1, 2, 3], ["x", "z", "y"]], ["a", "a", "b"]),
    "dots": pa.table({"a": [1, 2, 3], "a.b": [4, 5, 6], "b": ["x", "z", "y"]}),
    "none": pa.table({"a": pa.array([], pa.int64()), "b": pa.array([], pa.utf8())}),
}


@needs_native
@pytest.mark.parametrize("second", [None, *TABLES])
@pytest.mark.parametrize("first", ["int32", "dots"])
def test_columnar_files_are_the_same_data(tmp_path: Path, first: str, second: str | None):
    names = [first] if second is None else [first, second]
    ending = "feather" if second and len(second) % 2 and second != "twice" else "parquet"
    files = []
    for position, name in enumerate(names):
        files.append(f"{position}.{ending}")
        if ending == "parquet":
            pq.write_table(TABLES[name], tmp_path / files[-1], row_group_size=2)
        else:
            pyarrow.feather.write_feather(TABLES[name], str(tmp_path / files[-1]), chunksize=2)
    assert_same(tmp_path, "digest", "--data", *files)
    assert_same(tmp_path, "digest", "--data", *files, "--type", "a=category")


@needs_native
def test_models_are_the_same(tmp_path: Path):
    generator = np.random.default_rng(5)
    x, c = generator.normal(size=500), generator.integers(0, 3, 500)
    columns = {"x": x, "c": np.array(["r", "g", "b"])[c], "y": x > 0.3}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    digests = []
    for native in (False, True):
        arguments = ("train", "a.parquet", "--label", "y", "--out", f"{native}.ramet")
        code, _, error = said(*arguments, folder=tmp_path, native=native)
        assert code == 0, error
        digests.append((tmp_path / f"{native}.ramet").read_bytes())
    assert digests[0] == digests[1]
    assert_same(tmp_path, "predict", "True.ramet", "a.parquet")
    assert_same(tmp_path, "evaluate", "True.ramet", "a.parquet", "--label", "y")
