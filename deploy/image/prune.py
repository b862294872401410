"""Takes out of an environment what only packages' own developers use: tests, headers, other services' descriptions.

    python3 prune.py PREFIX

Compiles the rest, so that each pod need not. A compiled file names its source by a hash, not by its time: equal sources
give equal images.
"""

import compileall
import py_compile
import shutil
import sys
from pathlib import Path

UNUSED = [
    "*/tests",  # numpy.tests and so on; numpy.testing stays
    "*/*/tests",
    "*/*/*/tests",
    "*/*/*/*/tests",
    "pyarrow/include",
    "pyarrow/src",
    "numpy/_core/include",
    "numpy/_core/lib/*.a",
    "numpy/random/lib/*.a",
    "matplotlib/mpl-data/sample_data",
    "setuptools*",
    "pkg_resources",
    "_distutils_hack",
    "distutils-precedence.pth",
]
AWS_SERVICES = {"s3", "s3control", "sts", "sso", "sso-oidc", "signin"}  # of 400: those that reading s3:// takes


def main() -> None:
    prefix = Path(sys.argv[1])
    packages = next(prefix.glob("lib/python3*/site-packages"))
    for pattern in UNUSED:
        for path in packages.glob(pattern):
            remove(path)
    for service in (packages / "botocore" / "data").glob("*/"):
        if service.is_dir() and service.name not in AWS_SERVICES:
            remove(service)
    for path in (prefix / "share" / "jupyter").rglob("*.map"):
        remove(path)
    compileall.compile_dir(
        packages,
        quiet=2,  # some packages ship files for other Pythons
        stripdir=None,
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


if __name__ == "__main__":
    main()
