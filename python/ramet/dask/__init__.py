"""Training and prediction on a Dask cluster: the estimators' other side, imported when it is first needed."""
