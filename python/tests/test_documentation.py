"""The documentation's examples run and print what they say; its tables name things that exist."""

from __future__ import annotations

import doctest
import functools
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import ramet

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
sys.path.insert(0, str(DOCS / "extensions"))
import walks  # noqa: E402

examples = pytest.importorskip("examples", reason="sybil is not installed: pip install -r docs/requirements.txt")
for needed in ("distributed", "matplotlib", "onnxruntime", "pandas", "polars"):
    pytest.importorskip(needed)

PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
PAGES = [page for page in PAGES if re.search(r"^```(python|console)$", page.read_text(encoding="utf-8"), re.M)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_examples_of_a_page_print_what_it_says(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    assert examples.run_page(page) > 0


MODULES = [name for _, name, package in pkgutil.iter_modules(ramet.__path__, "ramet.") if not package]


@pytest.mark.parametrize("name", ["ramet", *(m for m in MODULES if m not in ("ramet._core", "ramet.__main__"))])
def test_examples_of_docstrings_print_what_they_say(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize("name", ramet.__all__)
def test_public_names_have_an_example(name: str) -> None:
    if inspect.isclass(found := getattr(ramet, name)) or inspect.isfunction(found):
        assert ">>>" in (found.__doc__ or "")


def test_the_guide_on_dask_has_all_options() -> None:
    job = pytest.importorskip("ramet.dask.job", reason="Dask is not installed")
    text = (DOCS / "guides" / "dask.md").read_text(encoding="utf-8")
    cells = re.findall(r"^\| (`[^|]*) \|", text[text.index("| name | default |") :], re.M)
    listed = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    assert listed == set(job.FitOptions.__dataclass_fields__) - {"on_round"}


# ── "Coming from": a table's first column names the other library's parameters, its second Ramet's ──


def _signature(module: str, *callables: str) -> set[str]:
    """The parameters and public attributes that `callables` of `module` have."""
    names: set[str] = set()
    for path in callables:
        found = importlib.import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
        names |= set(inspect.signature(found).parameters)
        if inspect.isclass(found):
            names |= {name for name in dir(found) if not name.startswith("_")}
    return names


def _scikit_learn() -> set[str]:
    kinds = ("Classifier", "Regressor")
    names = [f"{kind}GradientBoosting{what}".replace("Plain", "") for kind in ("Hist", "Plain") for what in kinds]
    return _signature("sklearn.ensemble", *names, "HistGradientBoostingClassifier.fit") | set(names)


def _xgboost() -> set[str]:
    names = ("XGBClassifier", "XGBRegressor")
    return _signature("xgboost", *names, "XGBModel", "XGBClassifier.fit") | set(names)


def _lightgbm() -> set[str]:
    import lightgbm

    native = lightgbm.basic._ConfigAliases._get_all_param_aliases()
    names = ("LGBMClassifier", "LGBMRegressor")
    return set(native) | _signature("lightgbm", *names, "LGBMClassifier.fit") | set(names)


def _catboost() -> set[str]:
    names = ("CatBoostClassifier", "CatBoostRegressor")
    return _signature("catboost", *names, "CatBoostClassifier.fit") | set(names)


X = np.random.default_rng(0).normal(size=(60, 2))
POSITIVE = np.arange(1.0, 61.0)
TWO, THREE = np.arange(60) % 2, np.arange(60) % 3


def _train_xgboost(objective: str) -> None:
    import xgboost

    labels = TWO if objective.startswith("binary") else THREE if objective.startswith("multi") else POSITIVE
    more = {"num_class": 3} if objective.startswith("multi") else {}
    more |= {"quantile_alpha": 0.5} if "quantile" in objective else {}
    xgboost.train({"objective": objective, "verbosity": 0, **more}, xgboost.DMatrix(X, labels), 1)


def _train_lightgbm(objective: str) -> None:
    import lightgbm

    labels = {"binary": TWO, "multiclass": THREE}.get(objective, POSITIVE)
    more = {"num_class": 3} if objective == "multiclass" else {}
    lightgbm.train({"objective": objective, "verbosity": -1, **more}, lightgbm.Dataset(X, labels), 1)


def _train_catboost(loss: str) -> None:
    import catboost

    labels = {"Logloss": TWO, "CrossEntropy": TWO, "MultiClass": THREE}.get(loss, POSITIVE)
    loss += "=0.9" if loss.endswith("alpha") else ""
    catboost.CatBoost({"loss_function": loss, "iterations": 1, "silent": True, "allow_writing_files": False}).fit(
        X, labels
    )


def _ramet() -> set[str]:
    estimators = (ramet.HistGradientBoostingClassifier, ramet.HistGradientBoostingRegressor)
    names = {estimator.__name__ for estimator in estimators} | set(ramet.__all__)
    for estimator in estimators:
        names |= set(inspect.signature(estimator).parameters) | set(inspect.signature(estimator.fit).parameters)
        names |= {name for name in dir(estimator) if not name.startswith("_")}
    return names


OBJECTIVES = {"xgboost": _train_xgboost, "lightgbm": _train_lightgbm, "catboost": _train_catboost}
LIBRARIES = {
    "scikit-learn": ("sklearn", _scikit_learn),
    "xgboost": ("xgboost", _xgboost),
    "lightgbm": ("lightgbm", _lightgbm),
    "catboost": ("catboost", _catboost),
}


def _named(cell: str) -> list[str]:
    """`a`, `b="x"`, `{0: 1}` → a, b: the names in a cell of code."""
    return [name for code in re.findall(r"`([^`]+)`", cell) for name in re.findall(r"^[A-Za-z_][\w:]*", code)]


def _rows(page: str) -> list[list[str]]:
    lines = (DOCS / "coming-from" / f"{page}.md").read_text(encoding="utf-8").splitlines()
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in lines
        if line.startswith("|") and not line.startswith("|--") and "| Ramet |" not in line
    ]


@pytest.mark.parametrize("page", LIBRARIES)
def test_both_sides_of_a_migration_table_exist(page: str) -> None:
    module, known = LIBRARIES[page]
    pytest.importorskip(module)
    theirs, ours = known(), _ramet()
    rows = [row for row in _rows(page) if len(row) == 3]
    assert len(rows) > 20
    for their_cell, our_cell, _ in rows:
        assert not (wrong := set(_named(their_cell)) - theirs), f"{page} has no {wrong}"
        assert not (wrong := set(_named(our_cell)) - ours), f"Ramet has no {wrong} (beside {their_cell})"


@pytest.mark.parametrize("page", OBJECTIVES)
def test_every_objective_of_a_migration_table_trains(page: str) -> None:
    """The tables of two columns. An objective that the library does not know is an error there."""
    pytest.importorskip(page)
    objectives = [row for row in _rows(page) if len(row) == 2]
    assert len(objectives) >= 5
    for their_cell, our_cell in objectives:
        for objective in re.findall(r"`([\w:]+)", their_cell):
            if objective != "quantile_alpha":
                OBJECTIVES[page](objective)
        loss = re.search(r'loss="(\w+)"', our_cell)
        if loss is None:
            assert our_cell == "the classifier"
        else:
            ramet.HistGradientBoostingRegressor(loss=loss[1], max_iter=1).fit(X, POSITIVE)


@pytest.mark.parametrize(
    ("page", "estimator"),
    [
        ("scikit-learn", "sklearn.ensemble.HistGradientBoostingClassifier"),
        ("scikit-learn", "sklearn.ensemble.HistGradientBoostingRegressor"),
        ("scikit-learn", "sklearn.ensemble.GradientBoostingClassifier"),
        ("xgboost", "xgboost.XGBClassifier"),
        ("lightgbm", "lightgbm.LGBMClassifier"),
    ],
)
def test_every_parameter_of_the_other_library_has_a_row(page: str, estimator: str) -> None:
    module, name = estimator.rsplit(".", 1)
    found = getattr(pytest.importorskip(module), name)
    listed = {name for row in _rows(page) for name in _named(row[0])}
    assert set(found().get_params()) <= listed


# ── The site's pages ──


def test_the_parameter_tables_leave_nothing_out() -> None:
    """Every parameter of an estimator is in one of the two generated tables, and in one only."""
    tables = pytest.importorskip("tables", reason="sphinx is not installed: pip install -r docs/requirements.txt")
    engine = {re.findall(r"\w+", tables.Parameters._names(info.name))[0] for info in ramet._core.parameters()}
    alone = {row[0].strip("`") for row in tables.PythonParameters.rows(None)}
    estimators = (ramet.HistGradientBoostingClassifier, ramet.HistGradientBoostingRegressor)
    everything = {name for estimator in estimators for name in inspect.signature(estimator).parameters}
    assert everything <= engine | alone
    assert not engine & alone


def test_every_name_of_the_package_is_in_the_reference() -> None:
    reference = "".join(page.read_text(encoding="utf-8") for page in (DOCS / "reference").glob("*.md"))
    for module in (ramet, ramet.callbacks, ramet.plotting):
        for name in module.__all__:
            if not name.startswith("_") and not inspect.ismodule(getattr(module, name)):
                assert re.search(rf":: ({module.__name__}\.)?{name}\b", reference), f"{name} is not in docs/reference"


@pytest.mark.parametrize(
    "page", ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "bindings/README.md"]
)
def test_links_to_files_lead_somewhere(page: str) -> None:
    """Sphinx checks those of its own pages."""
    path = ROOT / page
    for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if "://" not in link:
            file, _, anchor = link.partition("#")
            target = path.parent / file if file else path
            assert target.exists(), link
            if anchor and target.suffix == ".md":
                headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.M)
                assert anchor in {re.sub(r"[^\w\- ]", "", h).lower().replace(" ", "-") for h in headings}, link


@pytest.mark.parametrize("page", walks.PAGES, ids=lambda page: page.stem)
def test_options_of_ramet_on_the_pages_of_deployment_exist(page: Path) -> None:
    """Also in blocks that no test runs, and in the text: a verb's help knows each option that it is given."""
    lines = [line for block in walks.blocks(page) if block.language == "bash" for line in block.commands]
    lines += re.findall(r"`(ramet [^`]+)`", page.read_text(encoding="utf-8"))
    for line in lines:
        for command in re.findall(r"(?:^|[|;&(]\s*)(ramet [^|;&)]*)", line):
            if verb := _verb(command.split()[1:]):
                for option in re.findall(r"(?<=\s)--?[a-z][\w-]*", command):
                    assert re.search(rf"(?<![\w-]){option}(?![\w-])", _help(*verb)), f"{option}: {command}"


def _verb(words: list[str]) -> list[str]:
    """The words that say whose help it is; none where the verb is left open (…)."""
    if words[:2] == ["doctor", "--cluster"]:
        return words[:2]
    verb = words[: 2 if words[0] in ("cluster", "submit") else 1]
    return [*verb, *(["--slurm"] if "--slurm" in words else [])] if all(map(str.isalpha, verb)) else []


@functools.cache
def _help(*verb: str) -> str:
    done = subprocess.run([sys.executable, "-m", "ramet", *verb, "--help"], capture_output=True, text=True, check=True)
    return done.stdout + (_help("train") if verb[:2] == ("submit", "train") else "")  # it takes all that `train` takes
