"""The Kubernetes Job of a training: made of the pods of a release, so that it has what they have.

    template of the release's workers + command line ──job_of──► Job

Invariants
  J1. Image, environment, volumes, certificates and rights are the workers'; GPUs, ports, probes and hooks are not.
  J2. A pod that dies is replaced, and the new one goes on from the checkpoint; one that failed for good is not.
  J3. Two pods of a job never run at a time: a new one comes when the old one is known to have ended. (One that somebody
      deletes by force counts as ended; both then write the same checkpoint, each time whole.)
  J4. What it is told reaches `ramet train` as it was written: nothing in it is expanded by Kubernetes.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ramet import _core
from ramet.cluster.api import COMPONENT, Object, release_labels
from ramet.cluster.errors import ClusterError

MODELS, CHECKPOINTS = "/models", "/checkpoints"  # where the chart mounts them
KEEP = 7 * 24 * 3600  # seconds that a finished job is kept
TRIES = 10  # deaths of pods until a job counts as failed; those by drains and the like are not counted
OUT = "ramet/out"  # annotation: where the model goes on the machine that submitted
CONTAINER = "train"
_LETTERS = "bcdfghjkmnpqrstvwxz23456789"  # no words, and none to be mistaken for another


@dataclass(frozen=True)
class Submission:
    """What is to be trained.

    Parameters
    ----------
    release : str
    line : sequence of str
        The command line of ``ramet train``: files, and all flags but those of where and what to write.
    out : str
        The model's file on the machine that submits.
    name : str
        Of the job; see `new_name`.
    memory : str
        Of its pod, which has the trees but no rows.
    with_initial_model : bool
        Whether the model at `initial_path` is to begin with.
    """

    release: str
    line: Sequence[str]
    out: str
    name: str
    memory: str = "2Gi"
    with_initial_model: bool = False


def new_name(release: str, called: str = "train") -> str:
    """A name that no job has had."""
    ending = "".join(secrets.choice(_LETTERS) for _ in range(5))
    return f"{release[:30].rstrip('-')}-{called}-{ending}"


def model_path(name: str) -> str:
    return f"{MODELS}/{name}.ramet"


def checkpoint_path(name: str) -> str:
    return f"{CHECKPOINTS}/{name}.ramet"


def initial_path(name: str) -> str:
    """Of the model that it adds rounds to."""
    return f"{CHECKPOINTS}/{name}.init.ramet"


def job_of(submission: Submission, template: Object) -> Object:
    """The Job.

    Parameters
    ----------
    submission : Submission
    template : dict
        The pod template of the release's workers.

    Raises
    ------
    ClusterError
        If the release lacks what a job needs.
    """
    [worker, *_] = template["spec"]["containers"]
    mounts = list(worker.get("volumeMounts", []))
    if not _is_writable(mounts, MODELS):
        raise ClusterError(
            f'the workers of cluster "{submission.release}" have no {MODELS} that can be written to, where '
            "the model is to be kept until it is fetched.",
            "`ramet cluster up` with storage (storage.models of the chart), or train with `ramet train --cluster`.",
        )
    labels = {**template["metadata"]["labels"], **release_labels(submission.release, "job")}
    labels["app.kubernetes.io/managed-by"] = "ramet"  # not Helm, which knows nothing of it
    annotations = {"sidecar.istio.io/inject": "false", **template["metadata"].get("annotations", {})}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": submission.name,
            "labels": {**labels, "app.kubernetes.io/version": _core.__version__},
            "annotations": {OUT: submission.out},
        },
        "spec": {
            "backoffLimit": TRIES,
            "ttlSecondsAfterFinished": KEEP,
            "podFailurePolicy": {  # with one, no pod is replaced before it has ended
                "rules": [
                    {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                    {
                        "action": "FailJob",
                        "onPodConditions": [],  # Kubernetes 1.27's schema wants it
                        "onExitCodes": {"containerName": CONTAINER, "operator": "In", "values": [1, 2]},
                    },
                ]
            },
            "template": {
                "metadata": {"labels": labels, "annotations": annotations},
                "spec": _pod_of(submission, template["spec"], worker, mounts),
            },
        },
    }


def _pod_of(submission: Submission, pod: Object, worker: Object, mounts: list[Object]) -> Object:
    left_out = ("containers", "topologySpreadConstraints", "terminationGracePeriodSeconds", "restartPolicy", "hostname")
    spec = {key: value for key, value in pod.items() if key not in left_out}
    volumes = {volume["name"] for volume in spec.get("volumes", [])}
    # A volume of the StatefulSet's own for each worker, if there is any, is the worker's scratch.
    more = [{"name": name, "emptyDir": {}} for name in sorted({mount["name"] for mount in mounts} - volumes)]
    return {
        **spec,
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 60,  # to end a round and keep it
        "volumes": [*spec.get("volumes", []), *more],
        "containers": [
            {
                "name": CONTAINER,
                **{
                    key: worker[key]
                    for key in ("image", "imagePullPolicy", "securityContext", "envFrom")
                    if key in worker
                },
                "args": [literal(word) for word in _command(submission, _is_writable(mounts, CHECKPOINTS))],
                "env": [variable for variable in worker.get("env", []) if not _is_of_the_container(variable)],
                "volumeMounts": mounts,
                "resources": {
                    "requests": {"cpu": "250m", "memory": submission.memory},
                    "limits": {"cpu": "1", "memory": submission.memory},
                },
            }
        ],
    }


def _command(submission: Submission, keeps_checkpoints: bool) -> list[str]:
    words = ["python", "-m", "ramet.cluster.job"]
    if keeps_checkpoints:
        words += ["--checkpoint", checkpoint_path(submission.name)]
    if submission.with_initial_model:
        words += ["--init-model", initial_path(submission.name)]
    return [*words, "--", *submission.line, "--out", model_path(submission.name)]


def literal(word: str) -> str:
    """Kubernetes expands $(NAME) of arguments, and takes $$ for $."""
    return word.replace("$", "$$")


def _is_writable(mounts: Sequence[Object], path: str) -> bool:
    return any(mount["mountPath"].rstrip("/") == path and not mount.get("readOnly") for mount in mounts)


def _is_of_the_container(variable: Object) -> bool:
    """Whether it speaks of the worker's own limits, which are not the job's."""
    return "resourceFieldRef" in variable.get("valueFrom", {})


@dataclass(frozen=True)
class State:
    """How far a job is: pending, running, done or failed."""

    word: str
    why: str = ""

    @property
    def over(self) -> bool:
        return self.word in ("done", "failed")


def state_of(job: Object) -> State:
    status: dict[str, Any] = job.get("status", {})
    for condition in status.get("conditions", []):
        if condition["status"] == "True" and condition["type"] in ("Complete", "Failed"):
            return State("done") if condition["type"] == "Complete" else State("failed", _why(condition))
    return State("running" if status.get("ready") else "pending")


def _why(failed: Object) -> str:
    message = str(failed.get("message", failed.get("reason", "")))
    code = re.search(r"exit code (\d+)", message)
    if failed.get("reason") == "PodFailurePolicy" and code:
        return f"trying again would not help (exit code {code[1]})"
    return message


def is_job_of(job: Object, release: str = "") -> bool:
    labels = job["metadata"].get("labels", {})
    return labels.get(COMPONENT) == "job" and release in ("", labels.get("app.kubernetes.io/instance"))
