"""Ramet's clusters on Kubernetes: what `ramet cluster`, `ramet submit` and `--cluster NAME` do.

from ramet.cluster import connect
with connect("ramet") as client:
    HistGradientBoostingClassifier().fit(X, y)        # X and y: Dask collections
"""

from ramet.cluster.connect import connect

__all__ = ["connect"]
