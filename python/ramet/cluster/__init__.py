"""Clusters to train on, made by Ramet on Kubernetes or Slurm: `ramet cluster`, `ramet submit`, `--cluster NAME`.

    ramet cluster  command ─► up (survey ─► plan ─► releases ─► watch), status, verbs
    ramet submit   submit ─► jobs ─► follow, remote               in the job's pod: job
    --cluster      connect (members, forward), remote             before a worker's pod ends: retire
    doctor         check ─► short_pods (probe) ─► findings
    --slurm        slurm, slurm_submit ─► slurm_clusters ─► slurm_queue     in Slurm's tasks: slurm_rank, slurm_task

Under all of them `api`, the Kubernetes API; why a pod is not up say `pods` and `scheduling`. From Python:

    from ramet.cluster import connect
    with connect("ramet") as client:
        HistGradientBoostingClassifier().fit(X, y)        # X and y: Dask collections
"""

from ramet.cluster.connect import connect

__all__ = ["connect"]
