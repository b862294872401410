"""A Dask cluster whose workers have hosts of their own (namespaces.py), so that one can be cut off the network.

The calling thread must be on the first host before (`hosts.enter(0)`); scheduler, nannies and client live there.
"""

from distributed import LocalCluster, Worker
from namespaces import Hosts, enter


class WorkerOnHost(Worker):
    """Moves its process to a host before it opens a socket."""

    def __init__(self, *args, namespace: str, address: str, **options) -> None:
        enter(namespace)
        super().__init__(*args, **{**options, "host": address})


class ClusterOnHosts(LocalCluster):
    """Worker `name` is on host `host_of(name)`: the workers go round all hosts but the first."""

    def __init__(self, hosts: Hosts, n_workers: int) -> None:
        self.hosts = hosts
        super().__init__(n_workers=0, threads_per_worker=1, host=hosts.address(0), dashboard_address=":0")
        self.scale(n_workers)
        self.wait_for_workers(n_workers, timeout=60)

    def host_of(self, name: int) -> int:
        return 1 + name % (len(self.hosts.names) - 1)

    def new_worker_spec(self) -> dict:
        (name, spec), *_ = super().new_worker_spec().items()
        host = self.host_of(name)
        place = {"namespace": self.hosts.names[host], "address": self.hosts.address(host)}
        return {name: {**spec, "options": {**spec["options"], "worker_class": WorkerOnHost, **place}}}
