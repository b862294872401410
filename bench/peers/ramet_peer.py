"""Ramet: its command, run twice. Its times are its own report; its peak memory is the training process's."""

from typing import Any

from peers.protocol import Job, Measurement, last_json, run_command

LOSSES = {"binary": "logistic", "regression": "squared_error"}


def train_command(job: Job, model: str) -> list[str]:
    """The command line of training; a flag that says what is the default anyway is left out."""
    command = [
        job.ramet,
        "train",
        job.train,
        "--label",
        job.label,
        "--loss",
        LOSSES.get(job.task, job.task),
        "--out",
        model,
        "--json",
    ]
    command += ["--max-iter", str(job.rounds), "--learning-rate", str(job.learning_rate)]
    command += ["--max-leaf-nodes", str(job.leaves), "--max-depth", str(job.depth)]
    command += ["--min-samples-leaf", str(job.min_samples_leaf), "--min-child-weight", str(job.min_child_weight)]
    command += ["--l2-regularization", str(job.l2), "--max-bins", str(job.bins)]
    if job.weight:
        command += ["--weight", job.weight]
    if job.subsample < 1:
        command += ["--subsample", str(job.subsample), "--random-state", str(job.seed)]
    command += ["--early-stopping", "false"]
    if job.task == "quantile":
        command += ["--quantile", str(job.quantile)]
    return command


def seconds_of(output: str) -> dict[str, Any]:
    """The times that the command printed."""
    seconds = last_json(output)["seconds"]
    assert isinstance(seconds, dict)
    return seconds


def main() -> None:
    """Trains, predicts, prints the measurement."""
    job = Job.from_arguments()
    threads = {"RAMET_THREADS": str(job.threads)}
    model = job.predictions + ".ramet"
    trained = run_command(train_command(job, model), threads)
    predicted = run_command([job.ramet, "predict", model, job.test, "--out", job.predictions, "--json"], threads)

    seconds = seconds_of(trained.output)
    steps = seconds.pop("steps", {})
    seconds["predict"] = seconds_of(predicted.output)["predict"]
    kept = {name: float(seconds[name]) for name in ("read", "bin", "train", "predict")}
    Measurement(kept, trained.peak_bytes, steps=steps).emit()


if __name__ == "__main__":
    main()
