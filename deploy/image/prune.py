"""Takes out of an environment what its users never need: tests, sources, headers, languages, debug symbols.

    python3 prune.py FOLDER [PREFIX]

Compiles the rest, so that each pod need not; PREFIX is where FOLDER will lie in the image. A compiled file names its
source by a hash, not by its time: equal sources give equal images.
"""

import compileall
import py_compile
import shutil
import subprocess
import sys
from pathlib import Path

UNUSED = [
    *("*/" * depth + "tests" for depth in range(1, 6)),  # numpy.tests and so on; numpy.testing stays
    *(f"**/*.{kind}" for kind in ("c", "cpp", "pxd", "pxi", "pyx", "map")),
    "numpy/_core/include",  # CUDA's headers stay: kernels are compiled with them at run time
    "numpy/**/*.a",
    "pyarrow/include",
    "matplotlib/mpl-data/sample_data",
    "pyarrow/*flight*",  # a network protocol that nothing here speaks: an eighth of the packages
    "jedi/third_party/django-stubs",
    "jedi/third_party/typeshed/stubs",
    "bokeh/server/static/js/compiler.js",
    "setuptools*",
    "pkg_resources",
    "_distutils_hack",
    "distutils-precedence.pth",
]
AWS_SERVICES = {"s3", "s3control", "sts", "sso", "sso-oidc", "signin"}  # of 400: those that reading s3:// takes
LANGUAGES = ("en", "root")  # JupyterLab speaks English where no language pack is installed


def main() -> None:
    folder, prefix = Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else sys.argv[1]
    packages = next(folder.glob("lib/python3*/site-packages"))
    for path in unused(packages):
        remove(path)
    for path in (folder / "share").rglob("*.map"):
        remove(path)
    libraries = [path for path in packages.rglob("*.so") if not path.parent.name.endswith(".libs")]
    if libraries and shutil.which("strip"):
        subprocess.run(["strip", "--strip-debug", *libraries], check=True)
    compileall.compile_dir(
        packages,
        quiet=2,  # some packages ship files for other Pythons
        force=True,  # pip has compiled itself while it ran, and by time
        stripdir=folder,
        prependdir=prefix,
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )


def unused(packages: Path) -> list[Path]:
    found = [path for pattern in UNUSED for path in packages.glob(pattern)]
    found += (path for path in packages.glob("botocore/data/*/") if path.is_dir() and path.name not in AWS_SERVICES)
    found += (path for path in packages.glob("babel/locale-data/*.dat") if path.stem.split("_")[0] not in LANGUAGES)
    scripts = packages / "bokeh" / "server" / "static" / "js"
    found += (path for path in scripts.rglob("*.js") if path.with_suffix(".min.js").exists())
    return found


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
