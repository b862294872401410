"""Refusals: each bad input gives its named error, and nothing is left behind.

Every case runs the command in a folder of its own and states the exit code (1: the world, 2: usage) and what the
message must hold: the file, the column or the value, and often the cure.
"""

from __future__ import annotations

import dataclasses
import os
import resource
import struct
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command_line import Ramet, command_path, regression_table, table

TRAIN = ("train", "a.csv", "--label", "y", "--out", "m.ramet", "--max-iter", "5")
WORLD, USAGE = 1, 2
EITHER = (WORLD, USAGE)


@dataclasses.dataclass
class FromModel:
    """A file made from the bytes of a good model."""

    edit: Callable[[bytes], bytes]


Content = str | bytes | FromModel | Callable[[Path], None]


@dataclasses.dataclass
class Case:
    """One refusal: files to make, the command line, and what the answer must be."""

    name: str
    arguments: tuple[str, ...]
    code: int | tuple[int, ...]
    says: tuple[str, ...]
    files: dict[str, Content] = dataclasses.field(default_factory=dict)
    env: dict[str, str] = dataclasses.field(default_factory=dict)
    limit_bytes: int | None = None  # of any file that is written, as on a full disk


def train(*more: str, files: tuple[str, ...] = ("a.csv",)) -> tuple[str, ...]:
    return ("train", *files, "--label", "y", "--out", "m.ramet", "--max-iter", "5", *more)


def with_column(name: str, values: list[str]) -> str:
    """The table with one column's first values replaced; a new column if there is none of that name."""
    lines = table().splitlines()
    header = lines[0].split(",")
    rows = [line.split(",") for line in lines[1:]]
    if name not in header:
        header.append(name)
        rows = [[*row, "1"] for row in rows]
    at = header.index(name)
    for i, value in enumerate(values):
        rows[i][at] = value
    return "\n".join(",".join(row) for row in [header, *rows]) + "\n"


def every(name: str, value: str) -> str:
    return with_column(name, [value] * 200)


def parquet_table() -> pa.Table:
    return pa.table({"x": [float(i % 17) for i in range(5000)], "y": [i % 2 for i in range(5000)]})


def cut_parquet(path: Path) -> None:
    pq.write_table(parquet_table(), path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def damaged_parquet(path: Path) -> None:
    pq.write_table(parquet_table(), path, use_dictionary=False, compression="zstd", write_page_checksum=True)
    content = bytearray(path.read_bytes())
    content[100:400] = bytes(b ^ 0xA5 for b in content[100:400])
    path.write_bytes(content)


def list_parquet(path: Path) -> None:
    pq.write_table(pa.table({"x": [[1], [2]] * 50, "y": [0, 1] * 50}), path)


def folder(path: Path) -> None:
    path.mkdir()


def dangling(path: Path) -> None:
    path.symlink_to("nowhere-at-all")


INPUT = [
    Case("missing file", train(files=("nowhere.csv",)), WORLD, ("nowhere.csv",)),
    Case("dangling link", train(files=("link.csv",)), WORLD, ("link.csv",), {"link.csv": dangling}),
    Case("path below a file", train(files=("a.csv/part.csv",)), WORLD, ("a.csv/part.csv",)),
    Case("empty file", train(), WORLD, ("a.csv",), {"a.csv": ""}),
    Case("header only", train(), WORLD, ("a.csv", "no rows"), {"a.csv": "x,c,z,w,y\n"}),
    Case("blank header", train(), EITHER, ("a.csv",), {"a.csv": "\n\n\n"}),
    Case("ragged row", train(), WORLD, ("a.csv", "row 3"), {"a.csv": "x,y\n1,0\n2,1\n3\n4,1\n"}),
    Case("too long a row", train(), WORLD, ("a.csv", "row 2"), {"a.csv": "x,y\n1,0\n2,1,9\n3,1\n"}),
    Case("an open quote", train(), WORLD, ("a.csv",), {"a.csv": 'x,y\n1,0\n"2,1\n3,0\n'}),
    Case("not UTF-8", train(), WORLD, ("a.csv", "UTF-8"), {"a.csv": b"x,y\n\xff\xfe,0\ncaf\xe9,1\nb,1\nb,0\n"}),
    Case("bytes that are no text", train(), EITHER, ("a.csv",), {"a.csv": bytes(range(256)) * 40}),
    Case("two columns of one name", train(), WORLD, ("a.csv", '"x"'), {"a.csv": "x,x,y\n1,2,0\n2,3,1\n"}),
    Case("cut Parquet", train(files=("a.parquet",)), WORLD, ("a.parquet",), {"a.parquet": cut_parquet}),
    Case("damaged Parquet", train(files=("a.parquet",)), WORLD, ("a.parquet",), {"a.parquet": damaged_parquet}),
    Case("text named .parquet", train(files=("a.parquet",)), WORLD, ("a.parquet",), {"a.parquet": table()}),
    Case("text named .feather", train(files=("a.feather",)), WORLD, ("a.feather",), {"a.feather": table()}),
    Case("a column of lists", train(files=("a.parquet",)), WORLD, ("a.parquet", '"x"'), {"a.parquet": list_parquet}),
    Case("unknown ending", train(files=("a.xlsx",)), USAGE, ("a.xlsx", "--format"), {"a.xlsx": table()}),
    Case("empty folder", train(files=("empty",)), WORLD, ("empty",), {"empty": folder}),
    Case("glob without a match", train(files=("none*.csv",)), WORLD, ("none*.csv",)),
    Case("files of other columns", train(files=("a.csv", "b.csv")), WORLD, ("b.csv", '"x"'),
         {"b.csv": "other,c,z,w,y\n1,red,1,1,0\n"}),
    Case("files of two formats", train(files=("a.csv", "b.parquet")), USAGE, ("b.parquet",),
         {"b.parquet": lambda path: pq.write_table(parquet_table(), path)}),
    Case("a folder that is no table", train(files=("d",)), EITHER, ("notes.doc",),
         {"d": folder, "d/notes.doc": "hello"}),
]  # fmt: skip

COLUMNS = [
    Case("wrong label name", ("train", "a.csv", "--label", "late", "--out", "m.ramet"), USAGE, ("a.csv", '"late"')),
    Case("label nearly right", ("train", "a.csv", "--label", "Y", "--out", "m.ramet"), USAGE, ('"Y"', '"y"')),
    Case("text label for regression", train("--task", "regression"), WORLD, ("a.csv", '"y"', "--task classification"),
         {"a.csv": every("y", "yes")}),
    Case("one class", train(), WORLD, ("a.csv", '"y"', "one class"), {"a.csv": every("y", "1")}),
    Case("all labels missing", train(), WORLD, ("a.csv", '"y"'), {"a.csv": every("y", "")}),
    Case("one label missing", train(), WORLD, ("a.csv", '"y"', "row 3", "missing"),
         {"a.csv": with_column("y", ["0", "1", ""])}),
    Case("NaN label", train("--task", "regression"), WORLD, ("a.csv", '"y"', "row 1"),
         {"a.csv": with_column("y", ["NaN"])}),
    Case("infinite label", train("--task", "regression"), WORLD, ("a.csv", '"y"', "row 2", "infinite"),
         {"a.csv": with_column("y", ["0.5", "inf"])}),
    Case("fractions as classes", train("--task", "classification"), WORLD, ("a.csv", '"y"', "0.5"),
         {"a.csv": with_column("y", ["0.5"])}),
    Case("negative weight", train("--weight", "w"), WORLD, ("a.csv", '"w"', "row 2", "-1"),
         {"a.csv": with_column("w", ["1", "-1"])}),
    Case("missing weight", train("--weight", "w"), WORLD, ("a.csv", '"w"', "row 1"), {"a.csv": with_column("w", [""])}),
    Case("infinite weight", train("--weight", "w"), WORLD, ("a.csv", '"w"', "row 1", "inf"),
         {"a.csv": with_column("w", ["inf"])}),
    Case("all weights zero", train("--weight", "w"), WORLD, ("a.csv", '"w"', "zero"), {"a.csv": every("w", "0")}),
    Case("weights of text", train("--weight", "c"), WORLD, ("a.csv", '"c"')),
    Case("no weight column", train("--weight", "nope"), USAGE, ("a.csv", '"nope"')),
    Case("label is the weight", train("--weight", "y"), USAGE, ('"y"',)),
    Case("a feature twice", train("--features", "x,z,x"), USAGE, ("--features", '"x"')),
    Case("label as feature", train("--features", "x,y"), USAGE, ("--features", '"y"')),
    Case("no such feature", train("--features", "x,shoe"), USAGE, ("a.csv", '"shoe"')),
    Case("all columns dropped", train("--drop", "x,c,z,w"), USAGE, ("a.csv", "features")),
    Case("label dropped", train("--drop", "y"), USAGE, ("--drop", '"y"')),
    Case("drop of no column", train("--drop", "nope"), USAGE, ("a.csv", '"nope"')),
    Case("feature dropped", train("--features", "x", "--drop", "x"), USAGE, ("--drop", '"x"')),
    Case("categories of no feature", train("--features", "x", "--categorical", "c"), USAGE, ('"c"',)),
    Case("text as numbers", train("--numeric", "c"), EITHER, ("a.csv", '"c"')),
    Case("fractions as categories", train("--categorical", "x"), WORLD, ("a.csv", '"x"')),
    Case("no such type", train("--type", "x=complex"), USAGE, ('"x"', "complex", "float64")),
    Case("type without a column", train("--type", "float64"), USAGE, ("--type float64", "COLUMN=TYPE")),
    Case("type of no column", train("--type", "nope=string"), USAGE, ('"nope"',)),
    Case("a value not of the type", train("--type", "c=float64"), WORLD, ("a.csv", '"c"', "row 1")),
    Case("two delimiters", train("--delimiter", ";;"), USAGE, ("--delimiter", ";;")),
    Case("no such format", train("--format", "xml"), USAGE, ("xml", "parquet")),
    Case("validation of other columns", train("--valid", "v.csv"), USAGE, ("v.csv", '"c"'),
         {"v.csv": "x,z,w,y\n1,2,1,0\n2,1,1,1\n"}),
    Case("validation of an unknown class", train("--valid", "v.csv"), WORLD, ("v.csv", '"y"', '"7"'),
         {"v.csv": with_column("y", ["7"])}),
    Case("validation without rows", train("--valid", "v.csv"), WORLD, ("v.csv",), {"v.csv": "x,c,z,w,y\n"}),
]  # fmt: skip

PARAMETERS = [
    *[
        Case(f"{flag} {value}", train(flag, value), USAGE, (flag, value))
        for flag, value in [
            ("--max-iter", "0"), ("--max-iter", "ten"), ("--max-iter", "2.5"), ("--max-iter", "-3"),
            ("--learning-rate", "0"), ("--learning-rate", "-0.1"), ("--learning-rate", "nan"),
            ("--learning-rate", "inf"), ("--max-leaf-nodes", "1"), ("--max-depth", "-1"),
            ("--min-samples-leaf", "0"), ("--min-child-weight", "-1"), ("--l2-regularization", "-1"),
            ("--min-split-gain", "-1"), ("--subsample", "0"), ("--subsample", "1.5"), ("--max-features", "0"),
            ("--max-bins", "1"), ("--max-bins", "256"), ("--validation-fraction", "1"),
            ("--n-iter-no-change", "0"), ("--random-state", "-1"), ("--random-state", "99999999999999999999"),
        ]
    ],
    Case("early stopping perhaps", train("--early-stopping=perhaps"), USAGE, ("early", "perhaps")),
    Case("no such loss", train("--loss", "hinge"), USAGE, ("hinge", "logistic")),
    Case("no such metric", train("--early-stopping", "true", "--metric", "f1"), USAGE, ("f1", "logloss")),
    Case("loss of numbers for text", train("--loss", "squared_error"), WORLD, ('"y"',), {"a.csv": every("y", "yes")}),
    Case("loss against task", train("--loss", "squared_error", "--task", "classification"), USAGE, ("squared_error",)),
    Case("two classes' loss for three", train("--loss", "logistic"), USAGE, ("logistic", "3"),
         {"a.csv": with_column("y", ["2"])}),
    Case("metric against loss", train("--early-stopping", "true", "--metric", "rmse"), USAGE, ("rmse",)),
    Case("no such task", train("--task", "ranking"), USAGE, ("--task", "ranking")),
    Case("no such flag", train("--learning-speed", "1"), USAGE, ("--learning-speed",)),
    Case("no verb", (), USAGE, ("verb", "--help")),
    Case("no such verb", ("fly",), USAGE, ("fly", "train")),
    Case("no label", ("train", "a.csv", "--out", "m.ramet"), USAGE, ("--label",)),
    Case("no output", ("train", "a.csv", "--label", "y"), USAGE, ("--out",)),
    Case("unknown parameter in a file", train("--params", "p.toml"), USAGE, ("p.toml", "learning_speed",
         "learning_rate"),
         {"p.toml": "learning_speed = 0.1\n"}),
    Case("bad value in a file", train("--params", "p.json"), USAGE, ("p.json", "max_iter"),
         {"p.json": '{"max_iter": "x"}'}),
    Case("malformed JSON", train("--params", "p.json"), USAGE, ("p.json", "JSON"), {"p.json": '{"max_iter": '}),
    Case("malformed lines", train("--params", "p.toml"), USAGE, ("p.toml", "line 2"),
         {"p.toml": "max_iter = 3\nloss\n"}),
    Case("no parameter file", train("--params", "nowhere.toml"), WORLD, ("nowhere.toml",)),
    Case("a folder of parameters", train("--params", "d"), WORLD, ("d:",), {"d": folder}),
    Case("no threads", train("--threads", "0"), USAGE, ("--threads 0",)),
    Case("threads in words", train("--threads", "two"), USAGE, ("--threads two",)),
    Case("no such instruction set", train("--isa", "mmx"), USAGE, ("mmx", "scalar")),
    Case("RAMET_ISA unknown", train(), USAGE, ("RAMET_ISA", "mmx"), env={"RAMET_ISA": "mmx"}),
    Case("RAMET_THREADS=0", train(), USAGE, ("RAMET_THREADS=0",), env={"RAMET_THREADS": "0"}),
    Case("RAMET_THREADS in words", train(), USAGE, ("RAMET_THREADS=many",), env={"RAMET_THREADS": "many"}),
    Case("no checkpoint interval", train("--checkpoint", "c.ramet", "--checkpoint-every", "0"), USAGE,
         ("--checkpoint-every",)),
]  # fmt: skip

OUTPUT = [
    Case("no folder for the output", ("train", "a.csv", "--label", "y", "--out", "no/m.ramet"), WORLD,
         ("--out no/m.ramet", '"no"')),
    Case("the output is a folder", ("train", "a.csv", "--label", "y", "--out", "d"), WORLD, ("--out d", "folder"),
         {"d": folder}),
    Case("the output is a device", ("train", "a.csv", "--label", "y", "--out", "/dev/null"), WORLD, ("/dev/null",)),
    Case("the output's folder is a file", ("train", "a.csv", "--label", "y", "--out", "a.csv/m.ramet"), WORLD,
         ("a.csv/m.ramet",)),
    Case("the output cannot be made", ("train", "a.csv", "--label", "y", "--out", "/proc/m.ramet"), WORLD,
         ("/proc/m.ramet",)),
    Case("the checkpoint cannot be made", train("--checkpoint", "no/c.ramet"), WORLD, ("--checkpoint no/c.ramet",)),
    Case("a full disk for the model", train(), WORLD, ("m.ramet",), limit_bytes=1000),
    Case("a full disk for a checkpoint", train("--checkpoint", "c.ramet", "--checkpoint-every", "1"), WORLD,
         ("c.ramet",), limit_bytes=1000),
]  # fmt: skip


def newer(content: bytes) -> bytes:
    return content[:6] + struct.pack("<H", 999) + content[8:]  # after the six bytes of magic


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


PREDICT = ("predict", "bad.ramet", "a.csv", "--out", "p.csv")
GOOD: dict[str, Content] = {"bad.ramet": FromModel(lambda content: content)}

MODELS = [
    Case("no model", PREDICT, WORLD, ("bad.ramet",)),
    Case("an empty model", PREDICT, WORLD, ("bad.ramet", "empty"), {"bad.ramet": ""}),
    Case("a model cut short", PREDICT, WORLD, ("bad.ramet",), {"bad.ramet": FromModel(lambda content: content[:-7])}),
    Case("a model of text", PREDICT, WORLD, ("bad.ramet", "not a Ramet model"), {"bad.ramet": table()}),
    Case("a folder as model", PREDICT, WORLD, ("bad.ramet", "folder"), {"bad.ramet": folder}),
    Case("a newer model", PREDICT, WORLD, ("bad.ramet", "newer", "999"), {"bad.ramet": FromModel(newer)}),
    Case("a model with a flipped bit", PREDICT, WORLD, ("bad.ramet", "damaged"), {"bad.ramet": FromModel(flipped)}),
    Case("predict without a column", PREDICT, USAGE, ("a.csv", '"c"'), GOOD | {"a.csv": "x,z,w\n1,2,3\n"}),
    Case("predict with text for a number", PREDICT, WORLD, ("a.csv", '"z"'),
         GOOD | {"a.csv": every("z", "many")}),
    Case("predict without rows' file", ("predict", "bad.ramet", "no.csv", "--out", "p.csv"), WORLD, ("no.csv",), GOOD),
    Case("predict into no folder", ("predict", "bad.ramet", "a.csv", "--out", "no/p.csv"), WORLD, ("no/p.csv",), GOOD),
    Case("predict on a full disk", PREDICT, WORLD, ("p.csv",), GOOD, limit_bytes=1000),
    Case("predict into Parquet", ("predict", "bad.ramet", "a.csv", "--out", "p.parquet"), USAGE, ("p.parquet",
         "CSV"), GOOD),
    Case("predict two things", (*PREDICT, "--raw", "--leaf"), USAGE, ("--raw", "--leaf"), GOOD),
    Case("predict with too many rounds", (*PREDICT, "--rounds", "99"), USAGE, ("--rounds 99", "5 rounds"), GOOD),
    Case("predict JSON nowhere", ("predict", "bad.ramet", "a.csv", "--json"), USAGE, ("--json", "--out"), GOOD),
    Case("evaluate without the label", ("evaluate", "bad.ramet", "a.csv"), USAGE, ("a.csv", '"y"'),
         GOOD | {"a.csv": "x,c,z,w\n1,red,3,1\n"}),
    Case("evaluate an unknown class", ("evaluate", "bad.ramet", "a.csv"), WORLD, ("a.csv", '"y"', "row 1", '"5"'),
         GOOD | {"a.csv": with_column("y", ["5"])}),
    Case("evaluate a missing label", ("evaluate", "bad.ramet", "a.csv"), WORLD, ("a.csv", '"y"', "row 1"),
         GOOD | {"a.csv": with_column("y", [""])}),
    Case("evaluate negative weights", ("evaluate", "bad.ramet", "a.csv", "--weight", "w"), WORLD, ("a.csv", '"w"',
         "-1"),
         GOOD | {"a.csv": with_column("w", ["-1"])}),
    Case("resume with other features", train("--resume", "bad.ramet", "--drop", "z"), WORLD, ("features",), GOOD),
    Case("resume with another parameter", train("--resume", "bad.ramet", "--learning-rate", "0.5"), USAGE,
         ("--resume bad.ramet", "learning_rate", "0.5"), GOOD),
    Case("resume and initial model", train("--resume", "bad.ramet", "--init-model", "bad.ramet"), USAGE,
         ("--resume",), GOOD),
    Case("resume from no file", train("--resume", "no.ramet"), WORLD, ("no.ramet",)),
    Case("initial model of another loss", ("train", "a.csv", "--label", "y", "--out", "m.ramet", "--init-model",
         "bad.ramet"),
         USAGE, ("initial model", "loss"), GOOD | {"a.csv": regression_table()}),
    Case("initial model with all rounds", train("--init-model", "bad.ramet"), USAGE, ("bad.ramet", "5 rounds"), GOOD),
    Case("inspect no such tree", ("inspect", "bad.ramet", "--tree", "500"), USAGE, ("--tree 500", "5 trees"), GOOD),
    Case("inspect two things", ("inspect", "bad.ramet", "--tree", "0", "--features"), USAGE, ("--tree",), GOOD),
    Case("inspect a drawing of nothing", ("inspect", "bad.ramet", "--dot"), USAGE, ("--dot", "--tree"), GOOD),
    Case("inspect by colour", ("inspect", "bad.ramet", "--importance=colour"), USAGE, ("colour", "gain"), GOOD),
    Case("digest of no model", ("digest", "a.csv"), WORLD, ("a.csv", "not a Ramet model")),
    Case("digest of other models", ("digest", "bad.ramet", "a.csv", "--same", "--file"), WORLD, ("bad.ramet",
         "differ"), GOOD),
    Case("digest of files as data", ("digest", "--data", "nowhere.csv"), WORLD, ("nowhere.csv",)),
    Case("digest columns of a model", ("digest", "bad.ramet", "--columns"), USAGE, ("--data",), GOOD),
]  # fmt: skip

CASES = [*INPUT, *COLUMNS, *PARAMETERS, *OUTPUT, *MODELS]


@pytest.fixture(scope="module")
def good_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("good")
    (where / "a.csv").write_text(table())
    Ramet(command_path().resolve(), where).ok(*TRAIN)
    return where / "m.ramet"


def make(path: Path, content: Content, good_model: Path) -> None:
    if isinstance(content, FromModel):
        path.write_bytes(content.edit(good_model.read_bytes()))
    elif isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, str):
        path.write_text(content)
    else:
        content(path)


def all_paths(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def require_refusal(done, code: int | tuple[int, ...], says: tuple[str, ...]) -> None:
    assert done.returncode in (code if isinstance(code, tuple) else (code,)), done
    message = [line for line in done.stderr.splitlines() if line.startswith("ramet: ") and "warning" not in line]
    assert len(message) == 1, done.stderr
    for text in says:
        assert text in done.stderr, f"{text!r} is not in: {done.stderr}"
    for text in ("terminate called", "Traceback", "CHECK failed", "unexpected failure", "Sanitizer"):
        assert text not in done.stderr, done.stderr
    assert len(message[0]) > 20 and len(message[0]) < 1000


def test_there_are_forty_cases_with_names_of_their_own():
    assert len({case.name for case in CASES}) == len(CASES) >= 40


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_refusal(case: Case, ramet: Ramet, good_model: Path):
    for name, content in ({"a.csv": table()} | case.files).items():
        make(ramet.folder / name, content, good_model)
    before = all_paths(ramet.folder)
    limit = case.limit_bytes

    def full_disk() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = ramet(*case.arguments, env=case.env, preexec_fn=full_disk)
    require_refusal(done, case.code, case.says)
    assert all_paths(ramet.folder) == before, "something was left behind"


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable_folder(ramet: Ramet):
    locked = ramet.folder / "locked"
    locked.mkdir(mode=0)
    require_refusal(ramet(*train(files=("locked",))), WORLD, ("locked",))


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_read_only_folder(ramet: Ramet):
    (ramet.folder / "a.csv").write_text(table())
    (ramet.folder / "d").mkdir(mode=0o500)
    require_refusal(ramet("train", "a.csv", "--label", "y", "--out", "d/m.ramet"), WORLD, ("d/m.ramet",))


def test_a_full_disk_under_standard_output(ramet: Ramet, good_model: Path):
    (ramet.folder / "a.csv").write_text(table(5000))
    with Path("/dev/full").open("w") as full:
        done = ramet("predict", good_model, "a.csv", stdout=full)
    require_refusal(done, WORLD, ("standard output",))


def test_a_failed_run_keeps_the_old_output(ramet: Ramet):
    (ramet.folder / "a.csv").write_text(table())
    (ramet.folder / "m.ramet").write_text("the old model")
    done = ramet(*TRAIN, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)))
    require_refusal(done, WORLD, ("m.ramet",))
    assert (ramet.folder / "m.ramet").read_text() == "the old model"
