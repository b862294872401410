"""Files that a URI names: the same list in the same order as the engine's for paths, and the same digest."""

import itertools
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from ramet._command.files import open_files
from ramet._command.stores import list_store

ROWS = 240
TABLE = pa.table({"x": np.arange(ROWS) % 17, "y": np.arange(ROWS) * 0.5})
READ = {"columns": [], "drop": [], "types": [], "missing": [], "delimiter": ",", "format": "", "threads": 1}


def ramet(folder, *arguments):
    command = [sys.executable, "-m", "ramet", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Names whose order depends on how they are compared, and names that folders hide."""
    folder = tmp_path_factory.mktemp("store")
    names = ["b", "B", "a10", "a9", "é", ".hidden", "_temporary", "deep/c", "deep/.d", "_deep/e", "deep.er/f"]
    for number, name in enumerate(names):
        path = folder / f"{name}.parquet"
        path.parent.mkdir(exist_ok=True)
        pq.write_table(TABLE.slice(number * 20, 20), path, row_group_size=7)
    return folder


PATTERNS = "|/|/*.parquet|/[ab]*.parquet|/.*.parquet|/a?.parquet|/*/*.parquet|/deep*|/b.parquet".split("|")


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_list_is_the_engines(folder, pattern):
    # `ramet digest --data` prints a fingerprint of the rows in order.
    by_path = ramet(folder, "digest", "--data", f"{folder}{pattern}")
    by_uri = ramet(folder, "digest", "--data", f"file://{folder}{pattern}")
    assert by_uri.returncode == by_path.returncode
    assert by_uri.stdout.split()[:1] == by_path.stdout.split()[:1]
    assert (by_path.returncode == 0) or ("no file" in by_path.stderr and "no file" in by_uri.stderr)


@pytest.mark.parametrize("ending", ["parquet", "feather", "csv", "csv.gz"])
def test_every_format_from_any_place(tmp_path, ending):
    fsspec = pytest.importorskip("fsspec")
    store = fsspec.filesystem("memory")
    cuts = [0, 100, ROWS]
    for a, b in itertools.pairwise(cuts):
        path = tmp_path / f"{a:03}.{ending}"
        part = TABLE.slice(a, b - a)
        if ending == "parquet":
            pq.write_table(part, path)
        elif ending == "feather":
            pyarrow.feather.write_feather(part, path)
        else:
            part.to_pandas().to_csv(path, index=False)
        store.pipe_file(f"/rows/{ending}/{path.name}", path.read_bytes())
    files = list_store(f"memory://rows/{ending}")
    assert files == [f"memory://rows/{ending}/{a:03}.{ending}" for a in cuts[:-1]]
    stream = open_files([file.encode() for file in files], **READ, cancelled=lambda: False)
    assert pa.Table.from_batches(list(stream), stream.schema).to_pydict() == TABLE.to_pydict()


def test_training_from_a_uri(folder, tmp_path):
    arguments = ["--label", "y", "--max-iter", 4, "--out", tmp_path / "m.ramet"]
    alone = ramet(folder, "train", f"{folder}/[ab]*.parquet", *arguments)
    for more in ([], ["--workers", 1]):
        by_uri = ramet(folder, "train", f"file://{folder}/[ab]*.parquet", *arguments, *more)
        assert by_uri.returncode == 0, by_uri.stderr
        assert by_uri.stdout.splitlines()[-2] == alone.stdout.splitlines()[-2]


def test_places_that_nobody_knows(tmp_path):
    done = ramet(tmp_path, "digest", "--data", "nowhere://rows/a.parquet")
    assert done.returncode == 1
    assert done.stderr.startswith("ramet: nowhere://rows/a.parquet: ")
    missing = ramet(tmp_path, "digest", "--data", f"file://{tmp_path}/a.parquet")
    assert (missing.returncode, missing.stderr.count("there is no such file")) == (1, 1)
