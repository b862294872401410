"""`ramet cluster VERB`: the command line, and which function does the work."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from ramet.cluster.parsing import DONE, USAGE, WORLD, Parser, count, port, processors, quantity, run_verb

if TYPE_CHECKING:
    from ramet.cluster.api import Kubernetes

Work = Callable[[argparse.Namespace], "int | None"]

_ABOUT = """\
Example
  ramet cluster up --workers 4
  ramet train "/data/flights/*.parquet" --label late --out late.ramet --cluster ramet
  ramet cluster down --keep-data

Makes a training cluster on Kubernetes and looks after it: a scheduler, workers, volumes, certificates,
and a notebook if you like. Who you are and which Kubernetes cluster is meant, your kubeconfig says.

Usage: ramet cluster VERB [OPTIONS]

Verbs:
"""

_VERBS = {
    "up": "Make a cluster, or bring the one that is there to what is asked for",
    "status": "Show pods, GPUs, volumes and versions, what is wrong and what to do",
    "scale": "Change the number of workers; those that go hand over first",
    "logs": "Print what the pods say",
    "dashboard": "Open Dask's dashboard on this machine, until Ctrl-C",
    "notebook": "Open the cluster's JupyterLab on this machine, until Ctrl-C",
    "down": "Remove a cluster, with its volumes or without",
}


def main(arguments: Sequence[str]) -> int:
    """Run `ramet cluster` with these arguments, and return the exit code."""
    verb = arguments[0] if arguments else ""
    if verb in ("-h", "--help"):
        print(_ABOUT + "".join(f"  {name:34}{what}\n" for name, what in _VERBS.items()))
        print("Instead of Kubernetes, --slurm asks Slurm; `ramet cluster up --slurm --help` tells how.")
        return DONE
    if verb not in _VERBS:
        wrong = f'there is no verb "{verb}"' if verb else "a verb is missing"
        print(f"ramet: {wrong}. The verbs are: {', '.join(_VERBS)}; see `ramet cluster --help`.", file=sys.stderr)
        return USAGE
    if "--slurm" in arguments:
        return int(import_module("ramet.cluster.slurm").main(arguments))
    parser, work = _parser(verb)
    given = parser.parse_args(list(arguments[1:]))
    return run_verb(lambda: work(given))


def _parser(verb: str) -> tuple[Parser, Work]:
    adders: dict[str, Callable[[], tuple[Parser, Work]]] = {
        "up": _up,
        "status": _status,
        "scale": _scale,
        "logs": _logs,
        "dashboard": _dashboard,
        "notebook": _notebook,
        "down": _down,
    }
    parser, work = adders[verb]()
    group = parser.add_argument_group("Which cluster")
    group.add_argument("--name", default="ramet", metavar="NAME [ramet]", help="The cluster's name")
    group.add_argument("-n", "--namespace", metavar="NAMESPACE", help="Left out, that of the context")
    group.add_argument("--context", metavar="CONTEXT", help="Of the kubeconfig; left out, its current one")
    return parser, work


def _connected(given: argparse.Namespace) -> Kubernetes:
    from ramet.cluster.api import Kubernetes

    return Kubernetes(given.context, given.namespace)


def _up() -> tuple[Parser, Work]:
    parser = Parser(
        "ramet cluster up",
        "Example\n"
        "  ramet cluster up -n trees --workers 4 --memory 16Gi --notebook\n"
        "\n"
        "Makes a cluster, or brings the one that is there to what is asked for; what is not said stays as it\n"
        "is. Says what it changes, shows how pods start, and explains what keeps them. A first install that\n"
        "fails is removed, a change that fails is taken back.",
    )
    parser.add_argument("--workers", type=count, metavar="N", help="Dask workers; left out, one per GPU, or 2")
    parser.add_argument("--gpus-per-worker", type=count, metavar="K", help="Left out, 1 where nodes have GPUs, else 0")
    parser.add_argument("--memory", type=quantity, metavar="SIZE [4Gi]", help="Of each worker")
    parser.add_argument("--cpus", type=processors, metavar="N [1]", help="Of each worker; it has as many threads")
    parser.add_argument("--notebook", action=argparse.BooleanOptionalAction, help="With a JupyterLab beside it")
    parser.add_argument("--image", metavar="IMAGE", help="In place of Ramet's own of this version")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="Any other value of the chart; may be repeated"
    )
    parser.add_argument("--set-json", action="append", default=[], metavar="KEY=JSON", help="The same, as JSON")
    parser.add_argument("--values", action="append", default=[], metavar="FILE", help="The same, from a YAML file")
    parser.add_argument("--timeout", type=count, default=600, metavar="SECONDS [600]", help="For the pods to be up")
    parser.add_argument("--dry-run", action="store_true", help="Say what would change, and change nothing")
    parser.add_argument("-q", "--quiet", action="store_true", help="Say nothing but errors")
    group = parser.add_argument_group("Volumes for /data, /models and /checkpoints").add_mutually_exclusive_group()
    group.add_argument("--storage-class", metavar="CLASS", help="Left out, the default or one that can be shared")
    group.add_argument("--nfs", metavar="SERVER:/PATH", help="An NFS export, which all three are")
    group.add_argument("--no-storage", action="store_true", help="None: data come from an object store")
    parser.add_argument("--one-node", action="store_true", help="Keep all pods on one node, so that any volume will do")
    return parser, _run_up


def _run_up(given: argparse.Namespace) -> None:
    from ramet.cluster.plan import Wishes
    from ramet.cluster.progress import Progress
    from ramet.cluster.up import Up, told_at_the_end

    wishes = Wishes(
        name=given.name,
        workers=given.workers,
        gpus_per_worker=given.gpus_per_worker,
        memory=given.memory,
        cpus=given.cpus,
        notebook=given.notebook,
        image=given.image,
        storage_class=given.storage_class,
        nfs=given.nfs,
        no_storage=given.no_storage,
        one_node=given.one_node,
    )
    told = {"--values": given.values, "--set-json": given.set_json, "--set": given.set}
    flags = [f"{flag}={text}" for flag, texts in told.items() for text in texts]
    with _connected(given) as kubernetes:
        progress = Progress(quiet=given.quiet)
        Up(kubernetes, wishes, flags, given.timeout, given.dry_run, progress).run()
        if not given.dry_run:
            progress.say(f'cluster "{given.name}" is up.\n{told_at_the_end(kubernetes, given.name)}')


def _status() -> tuple[Parser, Work]:
    parser = Parser(
        "ramet cluster status",
        "Example\n"
        "  ramet cluster status -n trees\n"
        "\n"
        "Shows pods, GPUs, volumes, the versions on both sides, where Kubeflow's dashboard is if there is\n"
        "one, what is wrong and what to do. Exits with 1 if the cluster is not up.",
    )
    parser.add_argument("--json", action="store_true", help="As one JSON object")

    def run(given: argparse.Namespace) -> int:
        from ramet.cluster.status import report_of, text_of

        with _connected(given) as kubernetes:
            report = report_of(kubernetes, given.name)
        print(json.dumps(report) if given.json else text_of(report))
        return DONE if report["up"] else WORLD

    return parser, run


def _scale() -> tuple[Parser, Work]:
    parser = Parser(
        "ramet cluster scale",
        "Example\n"
        "  ramet cluster scale 8 -n trees\n"
        "\n"
        "Changes the number of workers and waits until it is so. Workers that go hand over what only they\n"
        "hold, and a fit that runs goes on without them. Works in the cluster's notebook too.",
    )
    parser.add_argument("workers", type=count, metavar="N", help="How many workers there are to be")
    parser.add_argument(
        "--timeout", type=count, default=600, metavar="SECONDS [600]", help="For the pods to come or go"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="Say nothing but errors")

    def run(given: argparse.Namespace) -> None:
        from ramet.cluster.progress import Progress
        from ramet.cluster.verbs import scale

        with _connected(given) as kubernetes:
            scale(kubernetes, given.name, given.workers, Progress(quiet=given.quiet), given.timeout)

    return parser, run


def _logs() -> tuple[Parser, Work]:
    parser = Parser(
        "ramet cluster logs",
        "Example\n"
        "  ramet cluster logs worker --follow\n"
        "\n"
        "Prints what pods say: of a component (scheduler, worker, notebook, job), or of one pod.",
    )
    parser.add_argument("what", nargs="?", default="", metavar="WHAT", help="Left out, scheduler and workers")
    parser.add_argument("-f", "--follow", action="store_true", help="Go on as they speak, until Ctrl-C")
    parser.add_argument("--tail", type=count, default=100, metavar="LINES [100]", help="So many from the end of each")
    parser.add_argument("--previous", action="store_true", help="Of the containers that ran before a restart")

    def run(given: argparse.Namespace) -> None:
        from ramet.cluster.verbs import logs

        with _connected(given) as kubernetes:
            logs(kubernetes, given.name, given.what, follow=given.follow, tail=given.tail, before=given.previous)

    return parser, run


def _dashboard() -> tuple[Parser, Work]:
    return _forwarding(
        "dashboard",
        "Forwards a port of this machine's loopback to Dask's dashboard, which nobody else reaches, and\n"
        "prints its address.",
        8787,
    )


def _notebook() -> tuple[Parser, Work]:
    return _forwarding(
        "notebook",
        "Forwards a port of this machine's loopback to the cluster's JupyterLab, and prints its address with\n"
        "the token that it asks for.",
        8888,
    )


def _forwarding(verb: str, about: str, usual: int) -> tuple[Parser, Work]:
    parser = Parser(f"ramet cluster {verb}", f"Example\n  ramet cluster {verb} -n trees\n\n{about}")
    parser.add_argument(
        "--port", type=port, metavar="PORT", help=f"Of this machine; left out, {usual} or any if that is taken"
    )

    def run(given: argparse.Namespace) -> None:
        from ramet.cluster import verbs

        with _connected(given) as kubernetes:
            getattr(verbs, verb)(kubernetes, given.name, given.port)

    return parser, run


def _down() -> tuple[Parser, Work]:
    parser = Parser(
        "ramet cluster down",
        "Example\n"
        "  ramet cluster down --keep-data\n"
        "\n"
        "Removes a cluster: pods, certificates, jobs, and its volumes with all that lies on them. Says what\n"
        "goes, and asks before it deletes volumes. With --keep-data they stay, and the next `up` takes them.",
    )
    parser.add_argument("--keep-data", action="store_true", help="Keep the volumes")
    parser.add_argument("--yes", action="store_true", help="Delete the volumes without asking")
    parser.add_argument("-q", "--quiet", action="store_true", help="Say nothing but errors")

    def run(given: argparse.Namespace) -> None:
        from ramet.cluster.progress import Progress
        from ramet.cluster.verbs import down

        with _connected(given) as kubernetes:
            down(
                kubernetes,
                given.name,
                keep_data=given.keep_data,
                yes=given.yes,
                progress=Progress(quiet=given.quiet),
            )

    return parser, run
