"""``ramet submit``: a training as a Job inside the cluster. It goes on when this machine is gone.

train   checks the command line as `ramet train` does, and makes the Job (jobs.py)
list    the jobs there are
logs    what a job says
fetch   its model, through a worker, which sees the same volume
delete  the job, and what it has written
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any

from ramet import _core
from ramet.cluster import jobs
from ramet.cluster.api import Kubernetes, Object, release_labels
from ramet.cluster.errors import ClusterError, MissingError
from ramet.cluster.follow import follow, pods_called
from ramet.cluster.parsing import DONE, USAGE, Parser, quantity, run_verb
from ramet.cluster.remote import files_of, write_whole

_EXAMPLE = """Example
  ramet submit train "/data/flights/*.parquet" --label late --out late.ramet --cluster ramet
  ramet submit list
  ramet submit logs ramet-train-x7k2p --follow
  ramet submit fetch ramet-train-x7k2p
  ramet submit delete ramet-train-x7k2p

Trains inside a cluster, as a job of Kubernetes that outlives this machine. The model is that of `ramet train`, byte
for byte. It stays on the cluster's /models until it is deleted; finished jobs are forgotten after seven days."""
_TRAIN_EXAMPLE = """Example
  ramet submit train "/data/flights/*.parquet" --label late --out late.ramet --follow

Takes all that `ramet train` takes (see its help), but --checkpoint: the job keeps its own, on the cluster's
/checkpoints, and goes on from it when its pod dies. FILES are those that the workers see; --out, --init-model and
--resume are files of this machine."""


def main(arguments: Sequence[str]) -> int:
    """Run `ramet submit` with these arguments, and return the exit code."""
    verbs = {"train": _train, "list": _list, "logs": _logs, "fetch": _fetch, "delete": _delete}
    verb = arguments[0] if arguments else ""
    if verb in ("-h", "--help"):
        print(f"{_EXAMPLE}\n\nUsage: ramet submit VERB [OPTIONS]; `ramet submit VERB --help` shows a verb's options.")
        return DONE
    if verb not in verbs:
        said = f'there is no verb "{verb}"' if verb else "a verb is missing"
        print(f"ramet: {said}. The verbs are: {', '.join(verbs)}; see `ramet submit --help`.", file=sys.stderr)
        return USAGE
    try:
        return run_verb(lambda: verbs[verb](list(arguments[1:])))
    except SystemExit as end:
        return int(end.code or 0)


def _parser(verb: str, example: str) -> Parser:
    parser = Parser(f"ramet submit {verb}", example)
    parser.add_argument("-n", "--namespace", metavar="NAMESPACE", help="Left out, the context's")
    parser.add_argument("--context", metavar="NAME", help="Of the kubeconfig; left out, the current one")
    return parser


# ── train ──


def _train(arguments: list[str]) -> int:
    parser = _parser("train", _TRAIN_EXAMPLE)
    parser.add_argument("--cluster", default="ramet", metavar="NAME", help="The cluster [ramet]")
    parser.add_argument("--job-name", default="train", type=_word, metavar="WORD", help="In the job's name [train]")
    parser.add_argument("--memory", default="2Gi", type=quantity, metavar="SIZE", help="Of the job's pod [2Gi]")
    parser.add_argument("--follow", action="store_true", help="Show what it says, and fetch the model at the end")
    parser.add_argument("-o", "--out", required=True, metavar="FILE", help="The model's file on this machine")
    parser.add_argument("--init-model", metavar="FILE", help=argparse.SUPPRESS)
    parser.add_argument("--resume", metavar="FILE", help=argparse.SUPPRESS)
    given, line = parser.parse_known_args(arguments)
    name = jobs.new_name(given.cluster, given.job_name)

    def submit(**training: Any) -> None:
        _check(training)
        try:
            _submit(given, line, name, training["initial_model"])
        except ClusterError as error:
            raise OSError(str(error)) from error

    code = _as_train_would(given, line, submit)
    if code != DONE or not given.follow:
        return code
    kubernetes = Kubernetes(given.context, given.namespace)
    follow(kubernetes, name)
    return _fetch_to(kubernetes, _job(kubernetes, name), given.out)


def _as_train_would(given: argparse.Namespace, line: list[str], submit: Callable[..., None]) -> int:
    """Has the engine read the command line, as it would to train, with `submit` in the place of training."""
    from ramet._command import run

    words = ["ramet", "train", *line, "--out", given.out, "--cluster", given.cluster]
    for flag, value in (
        ("--namespace", given.namespace),
        ("--init-model", given.init_model),
        ("--resume", given.resume),
    ):
        words += [flag, value] if value else []
    return run(words, submit)


def _check(training: dict[str, Any]) -> None:
    from ramet.cluster.paths import require_absolute

    require_absolute([*training["files"], *training["valid"]], "ramet submit")
    if training["checkpoint_path"]:
        raise _core.UsageError("--checkpoint: a job keeps its own checkpoint on the cluster. Leave the flag out.")


def _submit(given: argparse.Namespace, line: list[str], name: str, initial: _core.Model | None) -> None:
    kubernetes = Kubernetes(given.context, given.namespace)
    labels = release_labels(given.cluster, "worker")
    sets = kubernetes.list("statefulsets", labels)
    if not sets:
        from ramet.cluster.members import require_members

        require_members(kubernetes, given.cluster)  # says which there are
        raise ClusterError(
            f'cluster "{given.cluster}" has no StatefulSet of workers, of which a job could learn how to start.',
            "Jobs go with the chart's own workers (operator.enabled=false).",
        )
    submission = jobs.Submission(
        given.cluster,
        line,
        os.path.abspath(given.out),  # noqa: PTH100
        name,
        given.memory,
        bool(given.init_model),
    )
    job = jobs.job_of(submission, sets[0]["spec"]["template"])
    if initial is not None:
        path = jobs.initial_path(name) if given.init_model else jobs.checkpoint_path(name)
        with files_of(kubernetes, given.cluster) as files:
            files.write(path, initial.to_bytes())
    kubernetes.create("jobs", job)
    where = "" if given.namespace is None else f" -n {given.namespace}"
    print(f"job {name} is submitted to cluster {given.cluster} in namespace {kubernetes.namespace}.", file=sys.stderr)
    if not given.follow:
        print(
            f"See what it does:  ramet submit logs {name}{where} --follow\n"
            f"Fetch its model:   ramet submit fetch {name}{where}",
            file=sys.stderr,
        )
    print(name, flush=True)


def _word(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,18}[a-z0-9])?", text):
        raise argparse.ArgumentTypeError(f'"{text}" is not a name of a-z, 0-9 and -, of 20 characters at most')
    return text


# ── list, logs ──


def _list(arguments: list[str]) -> int:
    parser = _parser("list", _EXAMPLE)
    parser.add_argument("--cluster", default="", metavar="NAME", help="Of this cluster only")
    parser.add_argument("--json", action="store_true", help="As one JSON list")
    given = parser.parse_args(arguments)
    kubernetes = Kubernetes(given.context, given.namespace)
    found = [job for job in kubernetes.list("jobs") if jobs.is_job_of(job, given.cluster)]
    found.sort(key=lambda job: str(job["metadata"]["creationTimestamp"]))
    rows = [_row(job) for job in found]
    if given.json:
        print(json.dumps(rows))
        return DONE
    if not rows:
        print(f"no jobs in namespace {kubernetes.namespace}.", file=sys.stderr)
    table = [list(rows[0])] + [[str(value) for value in row.values()] for row in rows] if rows else []
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for cells in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())
    return DONE


def _row(job: Object) -> dict[str, Any]:
    state = jobs.state_of(job)
    began = datetime.datetime.fromisoformat(job["metadata"]["creationTimestamp"].replace("Z", "+00:00"))
    age = datetime.datetime.now(datetime.timezone.utc) - began
    return {
        "job": job["metadata"]["name"],
        "cluster": job["metadata"]["labels"]["app.kubernetes.io/instance"],
        "state": state.word,
        "pods lost": job.get("status", {}).get("failed", 0),
        "age": str(datetime.timedelta(seconds=int(age.total_seconds()))),
        "model": job["metadata"].get("annotations", {}).get(jobs.OUT, ""),
    }


def _logs(arguments: list[str]) -> int:
    parser = _parser("logs", _EXAMPLE)
    parser.add_argument("job", metavar="JOB", help="See `ramet submit list`")
    parser.add_argument("--follow", action="store_true", help="Go on until it is over")
    given = parser.parse_args(arguments)
    kubernetes = Kubernetes(given.context, given.namespace)
    _job(kubernetes, given.job)
    if given.follow:
        follow(kubernetes, given.job)
        return DONE
    for pod in pods_called(kubernetes, given.job):
        for said in kubernetes.logs(pod["metadata"]["name"]):
            print(said)
    return DONE


def _job(kubernetes: Kubernetes, name: str) -> Object:
    job = kubernetes.get("jobs", name)
    if job is None or not jobs.is_job_of(job):
        raise MissingError(
            f'there is no job "{name}" in namespace {kubernetes.namespace} of {kubernetes.place}.',
            f"`ramet submit list -n {kubernetes.namespace}` shows those there are. Finished ones are forgotten after "
            "seven days, their models stay on the cluster's /models.",
        )
    return job


# ── fetch, delete ──


def _fetch(arguments: list[str]) -> int:
    parser = _parser("fetch", _EXAMPLE)
    parser.add_argument("job", metavar="JOB", help="See `ramet submit list`")
    parser.add_argument("-o", "--out", metavar="FILE", help="Left out, as it was submitted")
    given = parser.parse_args(arguments)
    kubernetes = Kubernetes(given.context, given.namespace)
    job = _job(kubernetes, given.job)
    return _fetch_to(kubernetes, job, given.out or job["metadata"]["annotations"][jobs.OUT])


def _fetch_to(kubernetes: Kubernetes, job: Object, out: str) -> int:
    name, state = job["metadata"]["name"], jobs.state_of(job)
    if state.word != "done":
        verb = f"ramet submit logs {name} -n {kubernetes.namespace}"
        raise ClusterError(f"job {name} is {state.word}, so there is no model yet.", f"`{verb}` says more.")
    release = job["metadata"]["labels"]["app.kubernetes.io/instance"]
    with files_of(kubernetes, release) as files:
        content = files.read(jobs.model_path(name))
    model = _core.Model.from_bytes(content)
    write_whole(out, content)
    print(f"{out}: the model of job {name}, digest {model.digest}.", file=sys.stderr)
    return DONE


def _delete(arguments: list[str]) -> int:
    parser = _parser("delete", _EXAMPLE)
    parser.add_argument("job", metavar="JOB", help="See `ramet submit list`; it is stopped if it runs")
    parser.add_argument("--keep-model", action="store_true", help="Leave the model on the cluster's /models")
    given = parser.parse_args(arguments)
    kubernetes = Kubernetes(given.context, given.namespace)
    job = _job(kubernetes, given.job)
    release = job["metadata"]["labels"]["app.kubernetes.io/instance"]
    paths = [jobs.checkpoint_path(given.job), jobs.initial_path(given.job)]
    paths += [] if given.keep_model else [jobs.model_path(given.job)]
    kubernetes.delete("jobs", given.job)
    try:
        with files_of(kubernetes, release) as files:
            files.remove(paths)
    except ClusterError as error:
        raise ClusterError(
            f"job {given.job} is deleted, but not its files ({', '.join(paths)}): {error.message}", error.remedy
        ) from None
    print(f"job {given.job} is deleted.", file=sys.stderr)
    return DONE
