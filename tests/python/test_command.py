"""The command `ramet`, as a person uses it: every verb, its JSON, and the promise as seen from outside."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import random
import signal
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from command_line import Ramet, regression_table, table

TRAIN = ("train", "a.csv", "--label", "y", "--max-iter", "20", "--min-samples-leaf", "3")


@pytest.fixture
def trained(ramet: Ramet) -> Ramet:
    """A folder with a table, a.csv, and a model of it, m.ramet."""
    (ramet.folder / "a.csv").write_text(table(400))
    ramet.ok(*TRAIN, "--out", "m.ramet")
    return ramet


def digest(ramet: Ramet, *arguments: str, **options) -> str:
    return ramet.json("train", *arguments, "--out", "d.ramet", **options)["digest"]


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def files_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# --- train


def test_train_reports_what_it_did(ramet: Ramet):
    (ramet.folder / "a.csv").write_text(table(400))
    report = ramet.json(*TRAIN, "--out", "m.ramet")
    assert report["rows"] == 400
    assert report["features"] == 4
    assert report["rounds"] == 20
    assert len(report["digest"]) == 64
    assert report["validation"] is None
    assert report["peak_memory_bytes"] > 1 << 20
    for step in ("read", "bin", "train"):
        assert 0 <= report["seconds"][step] < 60
    assert report["seconds"]["steps"].keys() >= {"histogram", "split", "partition"}
    assert files_in(ramet.folder) == {"a.csv", "m.ramet"}


def test_train_keeps_results_and_progress_apart(ramet: Ramet):
    (ramet.folder / "a.csv").write_text(table(400))
    loud = ramet(*TRAIN, "--out", "m.ramet")
    assert "digest" in loud.stdout and "round" not in loud.stdout.splitlines()[-1]
    assert "round 20/20" in loud.stderr
    assert "\r" not in loud.stderr and "\033" not in loud.stderr, "a log has plain lines"
    quiet = ramet(*TRAIN, "--out", "m.ramet", "--quiet")
    assert quiet.stderr == ""


def test_validation_is_measured_and_can_stop_training(ramet: Ramet):
    (ramet.folder / "a.csv").write_text(table(400))
    (ramet.folder / "v.csv").write_text(table(400, seed=2))
    measured = ramet.json(*TRAIN, "--valid", "v.csv", "--out", "m.ramet")["validation"]
    assert measured["metric"] == "logloss" and len(measured["history"]) == 21  # entry r: after r rounds
    stopping = ["train", "a.csv", "--label", "y", "--valid", "v.csv", "--out", "m.ramet", "--max-iter", "500",
                "--early-stopping", "true", "--n-iter-no-change", "5"]  # fmt: skip
    whole = ramet.json(*stopping)
    assert whole["validation"]["stopped_early"] and whole["rounds"] < 500
    assert len(whole["validation"]["history"]) == whole["rounds"] + 1 > whole["validation"]["best_round"] + 1
    stopped = ramet.json(*stopping, "--keep-best")
    assert stopped["rounds"] == stopped["validation"]["best_round"] == whole["validation"]["best_round"]
    # The best model's metric is what `evaluate` finds.
    best = min(stopped["validation"]["history"])
    assert stopped["validation"]["value"] == best
    assert ramet.json("evaluate", "m.ramet", "v.csv")["metrics"]["logloss"] == best


@pytest.mark.parametrize(
    ("labels", "loss"),
    [
        (lambda i: i % 2, "logistic"),
        (lambda i: i % 3, "softmax"),
        (lambda i: "yes" if i % 2 else "no", "logistic"),
        (lambda i: ["true", "false"][i % 2], "logistic"),
        (lambda i: i / 2, "squared_error"),
        (lambda i: i, "squared_error"),  # more than 100 distinct whole numbers
        (lambda i: i % 100, "softmax"),
    ],
)
def test_the_task_follows_the_label(ramet: Ramet, labels, loss: str):
    lines = [f"{i % 7},{labels(i)}" for i in range(300)]
    (ramet.folder / "a.csv").write_text("\n".join(["x,y", *lines]) + "\n")
    assert ramet.json("train", "a.csv", "--label", "y", "--max-iter", "2", "--out", "m.ramet")["loss"] == loss


def test_parameters_come_from_files_and_flags_win(ramet: Ramet):
    (ramet.folder / "a.csv").write_text(table(400))
    (ramet.folder / "p.json").write_text('{"max_iter": 7, "learning_rate": 0.3, "early_stopping": false}')
    (ramet.folder / "p.toml").write_text("# slow\nmax_iter = 7\nlearning-rate = 0.3  # fast\n")
    data = ("a.csv", "--label", "y")
    by_flags = digest(ramet, *data, "--max-iter", "7", "--learning-rate", "0.3")
    assert digest(ramet, *data, "--params", "p.json") == by_flags
    assert digest(ramet, *data, "--params", "p.toml") == by_flags
    over = ramet.json("train", *data, "--params", "p.toml", "--max-iter", "3", "--out", "m.ramet")
    assert over["rounds"] == 3
    parameters = ramet.json("inspect", "m.ramet")["parameters"]
    assert parameters["learning_rate"] == "0.3" and parameters["max_iter"] == "3"


def test_every_help_begins_with_an_example(ramet: Ramet):
    verbs = ("train", "predict", "evaluate", "inspect", "digest", "doctor", "cluster", "submit")
    for verb in ((), *((verb,) for verb in verbs)):
        text = ramet.ok(*verb, "--help")
        assert text.startswith("Example\n  ramet "), text
    assert "--max-leaf-nodes NUMBER [31]" in ramet.ok("train", "--help")
    assert ramet.ok("--version").startswith("ramet ")


# --- the promise


def write_all_formats(folder: Path, columns: pa.Table) -> None:
    pyarrow.csv.write_csv(columns, folder / "a.csv")
    pq.write_table(columns, folder / "a.parquet", row_group_size=97)
    pyarrow.feather.write_feather(columns, folder / "a.feather", chunksize=53)


@pytest.mark.parametrize("seed", range(3))
def test_one_digest_whatever_the_run(ramet: Ramet, seed: int):
    draw = random.Random(seed)
    count = 1000
    columns = pa.table(
        {
            "x": [None if draw.random() < 0.1 else draw.gauss(0, 1) for _ in range(count)],
            "k": [draw.randrange(50) for _ in range(count)],
            "c": [draw.choice(["a", "b", "10", None]) for _ in range(count)],
            "w": [draw.choice([0.5, 1.0, 2.0]) for _ in range(count)],
            "y": [draw.randrange(2) for _ in range(count)],
        }
    )
    write_all_formats(ramet.folder, columns)
    borders = sorted(draw.sample(range(1, count), 4))
    parts = ramet.folder / "parts"
    parts.mkdir()
    for i, (begin, end) in enumerate(itertools.pairwise([0, *borders, count])):
        pq.write_table(columns.slice(begin, end - begin), parts / f"{i}.parquet")
    more = ("--label", "y", "--weight", "w", "--max-iter", "10", "--min-samples-leaf", "5", "--subsample", "0.7")
    isas = ramet.json("doctor")["processor"]["isa_supported"]
    expected = digest(ramet, "a.parquet", *more)
    runs = [("a.csv", *more), ("a.feather", *more), ("parts", *more), ("a.parquet", *more, "--no-speculation")]
    runs += [("a.parquet", *more, "--threads", str(threads)) for threads in (1, 2, 3, 8)]
    runs += [("a.parquet", *more, "--isa", isa) for isa in isas]
    for run in runs:
        assert digest(ramet, *run) == expected, run
    assert digest(ramet, "a.parquet", *more, env={"RAMET_THREADS": "1", "RAMET_ISA": "scalar"}) == expected
    assert digest(ramet, "a.parquet", *more, "--random-state", "1") != expected


def test_data_fingerprints_tell_inputs_apart(ramet: Ramet):
    count = 500
    columns = pa.table(
        {
            "x": [i / 7 for i in range(count)],
            "k": [2**60 + i for i in range(count)],
            "c": [None if i % 5 == 0 else f"v{i % 9}" for i in range(count)],
        }
    )
    write_all_formats(ramet.folder, columns)

    def data(*files: str) -> dict[str, str]:
        found = ramet.json("digest", "--data", *files, "--columns")
        return {"table": found[0]["digest"]} | {entry["name"]: entry["digest"] for entry in found[1:]}

    expected = data("a.csv")
    assert data("a.parquet") == data("a.feather") == expected
    pq.write_table(columns.slice(0, 123), ramet.folder / "b0.parquet")
    pq.write_table(columns.slice(123), ramet.folder / "b1.parquet")
    assert data("b0.parquet", "b1.parquet") == expected
    swapped = data("b1.parquet", "b0.parquet")
    assert all(swapped[name] != expected[name] for name in expected)
    changed = columns.set_column(1, "k", pa.array([2**60 + i + (i == 77) for i in range(count)]))
    pq.write_table(changed, ramet.folder / "c.parquet")
    different = data("c.parquet")
    assert {name for name in expected if different[name] != expected[name]} == {"table", "k"}


# --- predict and evaluate


def test_predict_writes_class_and_probabilities(trained: Ramet):
    answer = rows(trained.ok("predict", "m.ramet", "a.csv"))
    assert len(answer) == 400
    assert list(answer[0]) == ["class", "probability_0", "probability_1"]
    for row in answer:
        negative, positive = float(row["probability_0"]), float(row["probability_1"])
        assert math.isclose(negative + positive, 1)
        assert row["class"] == ("1" if positive > negative else "0")
    report = trained.json("predict", "m.ramet", "a.csv", "--out", "p.csv")
    assert report["rows"] == 400 and report["seconds"].keys() == {"read", "predict", "write"}
    assert rows((trained.folder / "p.csv").read_text()) == answer


def test_predictions_of_each_kind_agree(trained: Ramet):
    proba = rows(trained.ok("predict", "m.ramet", "a.csv", "--proba"))
    raw = rows(trained.ok("predict", "m.ramet", "a.csv", "--raw"))
    classes = rows(trained.ok("predict", "m.ramet", "a.csv", "--class"))
    leaves = rows(trained.ok("predict", "m.ramet", "a.csv", "--leaf"))
    model = json.loads(export_json(trained))
    assert len(leaves[0]) == 20
    for p, r, c in zip(proba, raw, classes, strict=True):
        assert math.isclose(float(p["probability_1"]), 1 / (1 + math.exp(-float(r["raw"]))), rel_tol=1e-12)
        assert c["class"] == ("1" if float(r["raw"]) > 0 else "0")
    none = rows(trained.ok("predict", "m.ramet", "a.csv", "--raw", "--rounds", "1"))
    assert none != raw
    assert model["loss"] == "logistic"


def export_json(ramet: Ramet) -> str:
    ramet.ok("inspect", "m.ramet", "--export-json", "m.json")
    return (ramet.folder / "m.json").read_text()


def test_predictions_do_not_depend_on_the_run(trained: Ramet):
    expected = trained.ok("predict", "m.ramet", "a.csv", "--raw")
    for more in (("--threads", "1"), ("--threads", "8"), ("--isa", "scalar")):
        assert trained.ok("predict", "m.ramet", "a.csv", "--raw", *more) == expected


def test_regression_predicts_values(ramet: Ramet):
    (ramet.folder / "a.csv").write_text(regression_table(400))
    ramet.ok(*TRAIN, "--out", "m.ramet")
    answer = rows(ramet.ok("predict", "m.ramet", "a.csv"))
    labels = [float(row["y"]) for row in rows((ramet.folder / "a.csv").read_text())]
    assert list(answer[0]) == ["value"]
    metrics = ramet.json("evaluate", "m.ramet", "a.csv")["metrics"]
    errors = [float(row["value"]) - label for row, label in zip(answer, labels, strict=True)]
    assert math.isclose(metrics["rmse"], math.sqrt(sum(e * e for e in errors) / 400), rel_tol=1e-9)
    assert math.isclose(metrics["mae"], sum(map(abs, errors)) / 400, rel_tol=1e-9)
    assert metrics["rmse"] < 1


def test_evaluate_finds_every_metric_of_classes(trained: Ramet):
    report = trained.json("evaluate", "m.ramet", "a.csv")
    assert report["metrics"].keys() == {"logloss", "auc", "accuracy", "average_precision"}
    assert report["metrics"]["auc"] > 0.8
    weighted = trained.json("evaluate", "m.ramet", "a.csv", "--weight", "w", "--label", "y")
    assert weighted["metrics"]["logloss"] != report["metrics"]["logloss"]
    assert "accuracy" in trained.ok("evaluate", "m.ramet", "a.csv")


def test_text_that_looks_like_numbers_stays_text(ramet: Ramet):
    both = [f"{'ab'[i % 2] if i % 4 == 0 else i % 2},{i % 2}" for i in range(200)]
    (ramet.folder / "a.csv").write_text("\n".join(["c,y", *both]) + "\n")
    numbers = [f"{i % 2},{i % 2}" for i in range(50)]
    (ramet.folder / "b.csv").write_text("\n".join(["c,y", *numbers]) + "\n")
    ramet.ok("train", "a.csv", "--label", "y", "--max-iter", "5", "--out", "m.ramet", "--valid", "b.csv")
    assert ramet.json("evaluate", "m.ramet", "b.csv")["metrics"]["accuracy"] == 1
    answer = rows(ramet.ok("predict", "m.ramet", "b.csv", "--class"))
    assert [row["class"] for row in answer] == [str(i % 2) for i in range(50)]


# --- inspect, digest, doctor


def test_inspect_shows_the_model(trained: Ramet):
    summary = trained.json("inspect", "m.ramet")
    assert summary["rounds"] == summary["trees"] == 20
    assert summary["label"] == "y" and summary["classes"] == ["0", "1"]
    features = trained.json("inspect", "m.ramet", "--features")
    assert [f["name"] for f in features] == ["x", "c", "z", "w"]
    assert features[1]["kind"] == "categorical" and features[1]["categories"] == ["blue", "green", "red"]
    for kind, value in (("gain", "gain"), ("split", "splits")):
        importance = trained.json("inspect", "m.ramet", f"--importance={kind}")
        assert math.isclose(sum(f["share"] for f in importance), 1)
        values = [f[value] for f in importance]
        assert values == sorted(values, reverse=True)
    assert trained.json("inspect", "m.ramet", "--importance")[0]["name"] == "x"
    assert "x" in trained.ok("inspect", "m.ramet", "--tree", "0")
    assert trained.ok("inspect", "m.ramet", "--tree", "0", "--dot").startswith("digraph")
    assert json.loads(export_json(trained))["loss"] == "logistic"
    assert summary["digest"] in trained.ok("inspect", "m.ramet")


def test_digest_compares_models(trained: Ramet):
    trained.ok(*TRAIN, "--out", "again.ramet")
    trained.ok(*TRAIN, "--out", "other.ramet", "--learning-rate", "0.2")
    same = trained.ok("digest", "m.ramet", "again.ramet", "--same").splitlines()
    assert [line.split("  ")[1] for line in same] == ["m.ramet", "again.ramet"]
    assert same[0][:64] == same[1][:64] == trained.json("inspect", "m.ramet")["digest"]
    assert trained("digest", "m.ramet", "other.ramet", "--same").returncode == 1
    assert trained("digest", "m.ramet", "other.ramet").returncode == 0
    whole = trained.json("digest", "m.ramet", "--file")[0]["digest"]
    assert whole != same[0][:64]


def test_doctor_tells_what_it_sees(ramet: Ramet):
    report = ramet.json("doctor", env={"RAMET_THREADS": "3", "RAMET_ISA": "scalar"})
    assert report["used by default"] == {"threads": 3, "isa": "scalar"}
    assert "scalar" in report["processor"]["isa_supported"]
    assert report["memory"]["bytes"] > 1 << 20
    assert report["libraries"].keys() >= {"ramet", "oneTBB", "Highway", "OpenSSL", "Arrow C++"}
    assert report["environment"]["RAMET_THREADS"] == "3"
    assert ramet("doctor", env={"RAMET_ISA": "mmx"}).returncode == 2
    assert "processor" in ramet.ok("doctor")


# --- stopping and going on


LONG = ("train", "a.csv", "--label", "y", "--max-leaf-nodes", "63", "--min-samples-leaf", "2", "--subsample", "0.9",
        "--early-stopping", "false")  # fmt: skip


def stop(ramet: Ramet, *arguments: str, number: int = signal.SIGINT) -> tuple[int, float, str]:
    """Sends a signal once training is under way; exit code, seconds until the end, and what was said."""
    process = ramet.popen(*arguments)
    try:
        for line in process.stderr:
            if line.startswith("round"):
                break
        time.sleep(0.2)
        begin = time.monotonic()
        process.send_signal(number)
        _, said = process.communicate(timeout=30)
        return process.returncode, time.monotonic() - begin, said
    finally:
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_ends_in_a_second_and_goes_on_as_if_never_stopped(ramet: Ramet, number: int):
    (ramet.folder / "a.csv").write_text(table(20_000))
    code, seconds, said = stop(ramet, *LONG, "--max-iter", "100000", "--out", "m.ramet", "--checkpoint", "c.ramet",
                               "--checkpoint-every", "5", number=number)  # fmt: skip
    assert code == 130 and seconds < 1, said
    assert "--resume c.ramet" in said
    assert files_in(ramet.folder) == {"a.csv", "c.ramet"}
    done = ramet.json("inspect", "c.ramet")["rounds"]
    total = str(done + 5)
    uninterrupted = digest(ramet, *LONG[1:], "--max-iter", total)
    resumed = ramet.json("train", "a.csv", "--label", "y", "--out", "m.ramet", "--resume", "c.ramet",
                         "--max-iter", total)  # fmt: skip
    assert resumed["rounds"] == done + 5
    assert resumed["digest"] == uninterrupted


def test_a_stopped_run_without_checkpoint_leaves_nothing(ramet: Ramet):
    (ramet.folder / "a.csv").write_text(table(20_000))
    code, seconds, said = stop(ramet, *LONG, "--max-iter", "100000", "--out", "m.ramet")
    assert code == 130 and seconds < 1
    assert "--checkpoint" in said
    assert files_in(ramet.folder) == {"a.csv"}


@pytest.mark.parametrize("first", [1, 7, 19])
def test_rounds_may_be_trained_in_two_runs(ramet: Ramet, first: int):
    (ramet.folder / "a.csv").write_text(table(400))
    data = ("a.csv", "--label", "y", "--min-samples-leaf", "3", "--subsample", "0.8")
    whole = digest(ramet, *data, "--max-iter", "20")
    ramet.ok("train", *data, "--max-iter", str(first), "--out", "half.ramet")
    assert digest(ramet, *data, "--max-iter", "20", "--init-model", "half.ramet") == whole
    assert digest(ramet, "a.csv", "--label", "y", "--max-iter", "20", "--resume", "half.ramet") == whole
