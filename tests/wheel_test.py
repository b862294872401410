#!/usr/bin/env python3
"""A wheel works where nothing else of Ramet is: fresh environments, no compiler, no source tree.

    tests/wheel_test.py build/wheels/ramet-*.whl

Each wheel is installed beside the oldest supported and the newest releases of the libraries that it reads tables with;
there it must train, predict, keep and load a model, and its command must give the same digest. Wheels for other Pythons
than this one are left out, unless PYTHONS names interpreters for them (PYTHONS="/usr/bin/python3.10 …").
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

# Two major versions of pyarrow and two of scikit-learn: what was current when 1.6 was, and what is now.
COMPANIONS = {
    "oldest": ["pyarrow==18.*", "scikit-learn==1.6.*", "numpy<2.3"],
    "newest": ["pyarrow", "scikit-learn", "numpy"],
}

OLDEST_GLIBC = "manylinux_2_28"

PROGRAM = """
import os, shutil, subprocess, sys
from pathlib import Path
import numpy as np, pyarrow as pa, pyarrow.parquet as pq, sklearn
import ramet

assert "site-packages" in ramet.__file__, ramet.__file__
assert shutil.which("cc") is shutil.which("c++") is shutil.which("cmake") is None

random = np.random.default_rng(0)
X = random.normal(size=(2_000, 5)).astype(np.float32)
X[::7, 1] = np.nan
y = (X[:, 0] + np.nan_to_num(X[:, 1]) > 0).astype(np.int64)
model = ramet.HistGradientBoostingClassifier(max_iter=20).fit(X, y)
assert model.score(X, y) > 0.9, model.score(X, y)
model.save("python.ramet")
again = ramet.HistGradientBoostingClassifier.load("python.ramet")
assert (again.predict_proba(X) == model.predict_proba(X)).all()

columns = {f"x{i}": X[:, i] for i in range(5)} | {"y": y}
pq.write_table(pa.table(columns), "table.parquet")
def command(*arguments):
    ramet_command = Path(sys.executable).with_name("ramet")
    return subprocess.run([ramet_command, *arguments], check=True, capture_output=True, text=True).stdout
assert command("--version") == f"ramet {ramet.__version__}\\n"
command("train", "table.parquet", "--label", "y", "--max-iter", "20", "--out", "command.ramet")
digests = [command("digest", f"{who}.ramet").split()[0] for who in ("python", "command")]
assert digests == [model.digest_] * 2, (digests, model.digest_)
assert len(command("predict", "python.ramet", "table.parquet").splitlines()) == 2_001
print(f"    pyarrow {pa.__version__}, scikit-learn {sklearn.__version__}, NumPy {np.__version__}: ok")
"""


def run(*command: str | Path, **options) -> None:
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          **options)  # fmt: skip
    if done.returncode != 0:
        sys.exit(f"failed: {' '.join(map(str, command))}\n{done.stdout}")
    print(done.stdout, end="")


def check(wheel: Path, python: str, companions: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run(python, "-m", "venv", folder / "venv")
        inside = folder / "venv" / "bin" / "python"
        # --only-binary: nothing may be compiled.
        run(inside, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:",
            wheel.resolve(), *companions)  # fmt: skip
        (folder / "work").mkdir()
        environment = {"PATH": str(folder / "venv" / "bin"), "HOME": name, "LANG": "C.UTF-8"}
        run(inside, "-c", PROGRAM, cwd=folder / "work", env=environment)


def has_licences(wheel: Path) -> bool:
    """Of Ramet, and of what else the wheel contains."""
    with zipfile.ZipFile(wheel) as archive:
        names = {Path(name).name for name in archive.namelist() if ".dist-info/licenses/" in name}
    return {"LICENSE", "THIRD-PARTY-LICENSES.txt"} <= names


def has_chart(wheel: Path) -> bool:
    """What `ramet cluster` installs, file for file, and what it submits to Slurm."""
    root = Path(__file__).resolve().parents[1]
    chart = root / "deploy/helm/ramet"
    wanted = {f"ramet/cluster/chart/{file.relative_to(chart)}" for file in chart.rglob("*") if file.is_file()}
    wanted |= {f"ramet/cluster/slurm/{file.name}" for file in (root / "deploy/slurm").glob("*.sbatch")}
    with zipfile.ZipFile(wheel) as archive:
        return wanted <= set(archive.namelist())


def fits(wheel: Path, python: str) -> bool:
    tag, abi = wheel.name.split("-")[2:4]
    program = "import sys; print(*sys.version_info[:2])"
    major, minor = subprocess.run([python, "-c", program], check=True, capture_output=True, text=True).stdout.split()
    own, of_wheel = int(minor), int(tag.removeprefix("cp" + major))
    return own >= of_wheel if abi == "abi3" else own == of_wheel


def main() -> None:
    wheels = [Path(argument) for argument in sys.argv[1:]]
    pythons = os.environ.get("PYTHONS", sys.executable).split()
    checked = 0
    for wheel in wheels:
        if OLDEST_GLIBC not in wheel.name:
            sys.exit(f"{wheel.name}: the tag is not {OLDEST_GLIBC}: see bindings/old_glibc.cc")
        if not has_licences(wheel):
            sys.exit(f"{wheel.name} lacks the licences of what it contains: see pyproject.toml")
        if not has_chart(wheel):
            sys.exit(f"{wheel.name} lacks parts of deploy/: see bindings/CMakeLists.txt")
        for python in pythons:
            if not fits(wheel, python):
                continue
            print(f"{wheel.name} in {python}")
            for companions in COMPANIONS.values():
                check(wheel, python, companions)
                checked += 1
    if not checked:
        sys.exit(f"none of {[str(wheel) for wheel in wheels]} fits one of {pythons}: nothing was tested")


if __name__ == "__main__":
    main()
