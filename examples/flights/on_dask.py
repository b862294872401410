"""The demo's other half: the same training without Dask, with Dask on this node, and with Dask on three nodes.

   python examples/flights/on_dask.py --ramet .venv/bin/ramet [--data data/flights]

After demo.py, whose files it trains on. Half-way, one of the three nodes is killed. Prints what each took, and the
digests of the models, that of demo.py among them; exits with 1 unless they are equal.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from demo import SETTINGS, Command, heading
from nodes import Nodes, enter_namespace

NODES = 3
LOOK = 0.02  # seconds
GRACE = 8.0  # seconds in which a stopped command may end by itself


class Layout:
    """One of the ways to train: the seconds it took, and the cores it held for them."""

    def __init__(self, what: str, model: Path, workers: int) -> None:
        self.what = what
        self.model = model
        self.workers = workers
        self.seconds = 0.0
        self.digest = ""

    def train(self, line: list[str]) -> dict:
        began = time.monotonic()
        code, output = run_to_the_end([*line, "--out", str(self.model), "--json"])
        self.seconds = time.monotonic() - began
        if code != 0:
            raise SystemExit(f"demo: this failed with exit code {code}: {' '.join(line)}")
        report = json.loads(output)
        self.digest = report["digest"]
        return report


def run_to_the_end(line: list[str]) -> tuple[int, bytes]:
    """Exit code and output. If we are stopped (Ctrl-C reaches it too), it may end its own workers before we go."""
    with subprocess.Popen(line, stdout=subprocess.PIPE) as process:
        try:
            output, _ = process.communicate()
        except BaseException:
            for stop in (process.terminate, process.kill):
                try:
                    process.wait(GRACE)
                    break
                except subprocess.TimeoutExpired:
                    stop()
            raise
    return process.returncode, output


class Killer(threading.Thread):
    """Kills a node as soon as there is a file: the checkpoint of the round half-way."""

    def __init__(self, nodes: Nodes, node: int, file: Path) -> None:
        super().__init__(daemon=True)
        self.nodes, self.node, self.file = nodes, node, file
        self.killed = False
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(LOOK):
            if self.file.exists():
                self.nodes.kill(self.node)
                self.killed = True
                print(f"node-{self.node + 1}: killed (SIGKILL)", file=sys.stderr, flush=True)
                return

    def stop(self) -> None:
        self._over.set()
        self.join()


def train_on_nodes(layout: Layout, line: list[str], rounds: int, checkpoint: Path) -> bool:
    """True if a node was killed on the way."""
    checkpoint.unlink(missing_ok=True)
    with Nodes(layout.workers) as nodes:
        layout.what = f"{layout.what}: {nodes.kind}"
        heading(f"With Dask on {layout.what}, one killed half-way")
        killer = Killer(nodes, 1, checkpoint)
        killer.start()
        try:
            half = str(max(1, rounds // 2))
            layout.train(
                [*line, "--scheduler", nodes.scheduler, "--checkpoint", str(checkpoint), "--checkpoint-every", half]
            )
        finally:
            killer.stop()
    return killer.killed


def main() -> int:
    parser = argparse.ArgumentParser(description="Trains without Dask, on one node and on three, and compares digests.")
    parser.add_argument("--ramet", type=Path, required=True, help="the command of the Python package")
    parser.add_argument("--data", type=Path, default=Path("data/flights"), help="folder of demo.py's tables and models")
    options = parser.parse_args()
    enter_namespace()
    data = options.data.resolve()  # the nodes read the files too, as nodes do from a shared file system
    files = sorted((data / "parts").glob("train-*.parquet"))
    line = [str(options.ramet), "train", *map(str, files), "--valid", str(data / "valid.parquet"), *SETTINGS]

    threads = Command(options.ramet).json("doctor")["used by default"]["threads"]
    none = Layout("no Dask", data / "late-no-dask.ramet", threads)
    one = Layout("one node, --workers 2", data / "late-one-node.ramet", 2)
    many = Layout(f"{NODES} nodes", data / "late-nodes.ramet", NODES)

    heading("Without Dask")
    rounds = len(none.train(line)["validation"]["history"]) - 1
    heading("With Dask on one node: two workers")
    one.train([*line, "--workers", "2"])
    killed = train_on_nodes(many, line, rounds, data / "half-way.ramet")

    heading("The same training, three layouts")
    print(f"  {'':<46} {'seconds':>8} {'core-seconds':>13}  digest")
    for layout in (none, one, many):
        held = layout.seconds * layout.workers
        print(f"  {layout.what:<46} {layout.seconds:>8.1f} {held:>13.1f}  {layout.digest[:16]}…")
    print(
        "\n  One node's time includes the start of its workers; the nodes were there before. All of them share this\n"
        f"  machine's {os.cpu_count()} cores, so Dask can only cost time here. What it must not cost is the model."
    )
    models = [data / "late.ramet", none.model, one.model, many.model]
    digests = {entry["digest"] for entry in Command(options.ramet).json("digest", *models)}
    equal = len(digests) == 1 and digests == {none.digest}
    print(f"\n  {len(models)} models, {len(digests)} digest{'s' if len(digests) > 1 else ''}: "
          f"{'equal' if equal else 'NOT EQUAL'}")  # fmt: skip
    if not killed:
        print("demo: training was over before a node could be killed half-way.", file=sys.stderr)
    return 0 if equal and killed else 1


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("demo: stopped; all that it started has ended.")
