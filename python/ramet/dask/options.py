"""Run parameters from Dask's configuration."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import dask

from ramet.dask.job import FitOptions


def fit_options(threads: int | None = None, **given: Any) -> FitOptions:
    """Run parameters: those under "ramet" in Dask's configuration, and `given` ones over them."""
    known = {field.name for field in fields(FitOptions)} - {"on_round"}
    options = {name.replace("-", "_"): value for name, value in dask.config.get("ramet", {}).items()}
    for name in options:
        if name not in known:
            raise ValueError(
                f"Dask's configuration has ramet.{name}, which is no option of training. They are: "
                f"{', '.join(sorted(known))}."
            )
    if threads is not None and threads > 0:
        options["threads"] = threads
    return FitOptions(**{**options, **given})
