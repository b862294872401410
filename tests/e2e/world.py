"""What the end-to-end tests do to a Kubernetes cluster: as a user with `ramet`, `helm` and `kubectl` does it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CLUSTER = ROOT / "tests/e2e/kubernetes/cluster.py"
BIN = ROOT / "build/e2e/bin"
OURS = ROOT / "build/e2e/admin.conf"
CHART = ROOT / "deploy/helm/ramet"
DATA = ROOT / "data/flights"
VERSION = re.search(r"project\(ramet VERSION ([0-9.]+)", (ROOT / "CMakeLists.txt").read_text())[1]  # type: ignore[index]
PROGRESS = re.compile(r"\bround (\d+)/")
PATIENCE = 180.0  # seconds for what happens by itself
# Of examples/flights/demo.py: what the laptop trains.
DEMO = ["--label", "late", "--max-iter", "300", "--learning-rate", "0.05"]
DEMO += ["--early-stopping", "true", "--n-iter-no-change", "30"]
# Long enough that something can happen to it.
LONG_ROUNDS = 600
LONG = ["--label", "late", "--max-iter", str(LONG_ROUNDS), "--learning-rate", "0.03"]


def until(what: str, done: Callable[[], object], patience: float = PATIENCE) -> None:
    limit = time.monotonic() + patience
    while not done():
        assert time.monotonic() < limit, f"after {patience:.0f} s: not {what}"
        time.sleep(0.3)


class Training(threading.Thread):
    """`ramet train` in the background: the rounds it has told of, and its report."""

    def __init__(self, world: World, *arguments: object) -> None:
        super().__init__(daemon=True)
        self.round = 0
        self.said: list[str] = []
        line = [*world.ramet_line, "train", *map(str, arguments), "--json"]
        self._process = subprocess.Popen(
            line, env=world.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.start()

    def run(self) -> None:
        for line in self._process.stderr or ():
            self.said.append(line.rstrip())
            if match := PROGRESS.search(line):
                self.round = int(match[1])

    @property
    def runs(self) -> bool:
        return self._process.poll() is None

    def wait_for_round(self, number: int) -> None:
        def there() -> bool:
            assert self.runs or self.round >= number, "the training ended early:\n" + "\n".join(self.said[-20:])
            return self.round >= number

        until(f"round {number}", there)

    def report(self, patience: float = 2 * PATIENCE) -> dict:
        try:
            code = self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self.stop()
            raise AssertionError(f"no end after {patience:.0f} s:\n" + "\n".join(self.said[-20:])) from None
        self.join()
        assert code == 0, f"exit code {code}:\n" + "\n".join(self.said[-20:])
        assert self._process.stdout
        return json.loads(self._process.stdout.read())

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


@dataclass
class World:
    """A cluster and the namespace that is worked in."""

    image: str
    namespace: str
    environment: dict[str, str] = field(default_factory=dict)
    ramet_line: tuple[str, ...] = (sys.executable, "-m", "ramet")

    def __post_init__(self) -> None:
        self.image = self.image or f"localhost/ramet:{VERSION}"
        self.environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "NO_COLOR": "1"}

    @property
    def nodes_are_ours(self) -> bool:
        """Whether it is kubernetes/cluster.py's, whose cables can be pulled and whose network enforces policies."""
        return Path(self.environment["KUBECONFIG"]).resolve() == OURS

    # --- the three programs

    def run(self, *line: object, given: str | bytes | None = None, patience: float = 2 * PATIENCE) -> str:
        """What a program printed. An error that shows it if it failed."""
        code, out, err = self.attempt(*line, given=given, patience=patience)
        assert code == 0, f"{' '.join(map(str, line))}: exit code {code}\n{out}\n{err}"
        return out

    def attempt(
        self, *line: object, given: str | bytes | None = None, patience: float = 2 * PATIENCE
    ) -> tuple[int, str, str]:
        given = given.encode() if isinstance(given, str) else given
        words = [str(word) for word in line]
        done = subprocess.run(
            words, env=self.environment, input=given, capture_output=True, timeout=patience, check=False
        )
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def ramet(self, *arguments: object, patience: float = 2 * PATIENCE) -> str:
        return self.run(*self.ramet_line, *arguments, patience=patience)

    def kubectl(self, *arguments: object, given: str | bytes | None = None) -> str:
        return self.run("kubectl", "--namespace", self.namespace, *arguments, given=given)

    def helm(self, *arguments: object) -> str:
        return self.run("helm", "--namespace", self.namespace, *arguments)

    # --- what is there

    def list(self, kind: str, selector: str = "") -> list[dict]:
        flags = [f"--selector={selector}"] if selector else []
        return json.loads(self.kubectl("get", kind, "--output=json", *flags))["items"]

    def pods(self, component: str, release: str = "ramet") -> list[dict]:
        both = f"app.kubernetes.io/instance={release},app.kubernetes.io/component={component}"
        return sorted(self.list("pods", both), key=lambda pod: pod["metadata"]["name"])

    def ready(self, component: str, release: str = "ramet") -> list[str]:
        """Names of the pods that are Ready and not about to go."""
        return [
            pod["metadata"]["name"]
            for pod in self.pods(component, release)
            if "deletionTimestamp" not in pod["metadata"] and is_true(pod, "Ready")
        ]

    def wait_for_workers(self, count: int, release: str = "ramet") -> None:
        until(f"{count} workers Ready", lambda: len(self.ready("worker", release)) == count)

    def node_of(self, component: str, number: int = 0) -> str:
        return self.pods(component)[number]["spec"]["nodeName"]

    # --- what is done

    def up(self, first_node: str, *more: str) -> float:
        """`ramet cluster up` with workers so small that four fit here; the seconds until it was Ready."""
        selector = json.dumps({"kubernetes.io/hostname": first_node})
        flags = ["--memory=2Gi", "--set=worker.resources.requests.cpu=100m", "--set=commonLabels.tested-by=e2e"]
        flags += ["--set=scheduler.resources.requests.cpu=50m", f"--set-json=scheduler.nodeSelector={selector}"]
        began = time.monotonic()
        self.ramet("cluster", "up", "-n", self.namespace, "--image", self.image, *flags, *more)
        return time.monotonic() - began

    @contextmanager
    def cable_pulled(self) -> Iterator[None]:
        """The second node is off the network."""
        self.run(sys.executable, CLUSTER, "link", "node2", "down")
        try:
            yield
        finally:
            self.run(sys.executable, CLUSTER, "link", "node2", "up")
            self.kubectl("wait", "node/node2", "--for=condition=Ready", "--timeout=120s")

    @contextmanager
    def drained(self, node: str) -> Iterator[None]:
        """The pods of these tests leave a node, each with the grace that its budget and its hook give it."""
        try:
            flags = ["--ignore-daemonsets", "--delete-emptydir-data", "--timeout=150s"]
            mine = "--pod-selector=tested-by=e2e"  # a drain looks into all namespaces
            self.kubectl("drain", node, *flags, mine)
            yield
        finally:
            self.kubectl("uncordon", node)

    def evict(self, pod: str) -> None:
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod, "namespace": self.namespace},
        }
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod}/eviction"
        self.kubectl("create", f"--raw={path}", "--filename=-", given=json.dumps(body))

    def copy_in(self, file: Path, to: str, release: str = "ramet") -> None:
        """A file of this machine onto a volume, through a worker."""
        pod = self.ready("worker", release)[0]
        folder = Path(to).parent
        command = f"mkdir -p {folder} && cat > {to}"
        self.kubectl("exec", "--stdin", pod, "--", "sh", "-c", command, given=file.read_bytes())


def is_true(item: dict, condition: str) -> bool:
    return any(
        entry["type"] == condition and entry["status"] == "True" for entry in item["status"].get("conditions", [])
    )
