"""Files in parts: together the parts are the rows that the command reads, in the same types and the same order."""

import dataclasses

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from dask_clusters import client, flights  # noqa: F401
from ramet._command.files import Options, open_files
from ramet.dask.files import looks_like_classes, never, survey_files

READ = Options([], [], [], [], ",", "", 1, never)


def read_whole(paths, read):
    options = {field.name: getattr(read, field.name) for field in dataclasses.fields(Options)}
    stream = open_files([str(path).encode() for path in paths], **options)
    return pa.Table.from_batches(list(stream), stream.schema)


def in_parts(table):
    parts = [pa.Table.from_batches(list(table.batches(part)), table.schema) for part in table.parts]
    for part, rows in zip(table.parts, parts, strict=True):
        assert part.rows in (None, rows.num_rows)
    return pa.concat_tables(parts), [rows.num_rows for rows in parts]


def same_rows(table, other):
    # Dictionaries may differ from part to part; their values count.
    assert table.schema.equals(other.schema)
    pd.testing.assert_frame_equal(table.to_pandas(), other.to_pandas(), check_categorical=False)


@pytest.mark.parametrize("seed", range(8))
def test_columnar_files(tmp_path, seed):
    rng = np.random.default_rng(seed)
    write = pq.write_table if seed % 2 else pyarrow.feather.write_feather
    size = "row_group_size" if seed % 2 else "chunksize"
    paths = []
    for number in range(rng.integers(1, 4)):
        frame = flights(int(rng.integers(0, 400)), rng).astype({"carrier": str})
        table = pa.Table.from_pandas(frame.astype({"hour": rng.choice(["int8", "int32"])}), preserve_index=False)
        paths.append(str(tmp_path / f"{number}.{'parquet' if seed % 2 else 'feather'}"))
        write(table, paths[-1], **{size: int(rng.integers(20, 500))})
    read = dataclasses.replace(READ, types=[("origin", "category")], drop=["seats"])
    for workers in (1, 3, 8):
        table = survey_files(None, paths, read, workers)
        rows, lengths = in_parts(table)
        same_rows(rows, read_whole(paths, read))
        print(f"seed={seed} workers={workers} lengths={lengths}")


def test_one_row_group_is_shared_by_all_workers(tmp_path):
    frame = flights(900, np.random.default_rng(0))
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), tmp_path / "one.parquet")
    _, lengths = in_parts(survey_files(None, [str(tmp_path / "one.parquet")], READ, 4))
    assert lengths == [225, 225, 225, 225]


def test_csv_files_are_typed_together(tmp_path, client):  # noqa: F811
    texts = ["a,b,c,d\n1,2020-01-01,x,\n2,,3,\n", "a,b,c,d\n", "b,a,c,d\n2020-01-01 10:00:00,1.5,4,\n,NA,5,\n"]
    paths = []
    for number, text in enumerate(texts):
        (tmp_path / f"{number}.csv").write_text(text)
        paths.append(str(tmp_path / f"{number}.csv"))
    rows, lengths = in_parts(survey_files(client, paths, READ, 2))
    same_rows(rows, read_whole(paths, READ))
    assert lengths == [2, 0, 2]


LABELS = {
    "few whole numbers": (np.arange(300) % 100, True),
    "too many": (np.arange(300) % 101, False),
    "whole floats": (np.where(np.arange(300) % 3, 1.0, np.nan), True),
    "fractions": (np.arange(300) / 2, False),
    "infinite": (np.where(np.arange(300) % 3, 1.0, np.inf), False),
    "texts": (np.array(["a", "b", "c"] * 100), True),
    "truths": (np.arange(300) % 2 == 0, True),
    "times": (pd.date_range("2020", periods=300), False),
}


@pytest.mark.parametrize("kind", LABELS)
def test_labels_that_look_like_classes(tmp_path, client, kind):  # noqa: F811
    values, expected = LABELS[kind]
    path = str(tmp_path / "y.parquet")
    pq.write_table(pa.table({"x": np.arange(300), "y": pa.array(values)}), path, row_group_size=70)
    assert looks_like_classes(client, survey_files(client, [path], READ, 2), "y") is expected
