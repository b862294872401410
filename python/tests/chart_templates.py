"""What `make deploy-check` has to look at charts with: Helm, and the helpers of its tests."""

import importlib
import sys
from pathlib import Path

import pytest

kubernetes_validate = pytest.importorskip("kubernetes_validate", reason="`make deploy-check` installs it")
sys.path.append(str(Path(__file__).parents[2] / "tests/deploy"))
charts = importlib.import_module("charts")
try:
    charts.helm()
except FileNotFoundError as error:
    pytest.skip(str(error), allow_module_level=True)
