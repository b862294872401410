"""A Dask cluster as the chart starts it: a scheduler, workers with nannies, processes of their own, TLS between all."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time

from distributed import Client
from distributed.security import Security

PATIENCE = 60


class TlsCluster:
    """Processes `dask scheduler` and `dask worker`, on the loopback; gone at the end."""

    def __init__(self, folder, workers):
        texts = Security.temporary()
        self.files = {"CA_FILE": folder / "ca.crt"}
        self.files["CA_FILE"].write_text(texts.tls_ca_file)
        for role in ("SCHEDULER", "WORKER", "CLIENT"):
            for what, attribute in (("CERT", "cert"), ("KEY", "key")):
                path = self.files[f"{role}__{what}"] = folder / f"{role}.{attribute}"
                path.write_text(getattr(texts, f"tls_{role.lower()}_{attribute}"))
        self.folder = folder
        self.environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),  # rows of the tests
            "DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "true",
            **{f"DASK_DISTRIBUTED__COMM__TLS__{name}": str(path) for name, path in self.files.items()},
        }
        self.processes, self.said = {}, {}
        self.address = None
        self._stack = contextlib.ExitStack()
        try:
            self._start("scheduler", "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
            self.address = re.search(r"tls://[\d.:]+", self._wait_for("scheduler", "Scheduler at:"))[0]
            self.environment["DASK_SCHEDULER_ADDRESS"] = self.address
            for name in workers:
                self.start_worker(name)
            security = Security(
                require_encryption=True,
                tls_ca_file=str(self.files["CA_FILE"]),
                tls_client_cert=str(self.files["CLIENT__CERT"]),
                tls_client_key=str(self.files["CLIENT__KEY"]),
            )
            self.client = self._stack.enter_context(Client(self.address, security=security))
            self.client.wait_for_workers(len(workers), timeout=PATIENCE)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def start_worker(self, name):
        local = self.folder / name
        local.mkdir(exist_ok=True)
        self._start(name, "worker", "--name", name, "--nthreads", "1", "--host", "127.0.0.1", "--no-dashboard",
                    "--local-directory", str(local))  # fmt: skip

    def _start(self, name, *command):
        self.processes[name] = process = subprocess.Popen(
            [sys.executable, "-m", "dask", *command],
            cwd=self.folder,  # another one than the client's
            env=self.environment,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        lines = self.said[name] = []

        threading.Thread(target=lambda: lines.extend(iter(process.stderr.readline, "")), daemon=True).start()

    def _wait_for(self, name, words):
        for _ in range(PATIENCE * 10):
            for line in self.said[name]:
                if words in line:
                    return line
            if self.processes[name].poll() is not None:
                break
            time.sleep(0.1)
        raise AssertionError("".join(self.said[name]))

    def stop(self, name):
        """As the kubelet ends a container; the exit code."""
        self.processes[name].send_signal(signal.SIGTERM)
        return self.processes[name].wait(PATIENCE)

    def names(self):
        """The workers there are, with their status."""
        workers = self.client.scheduler_info(n_workers=-1)["workers"].values()
        return {worker["name"]: worker["status"] for worker in workers}

    def close(self):
        self._stack.close()
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
