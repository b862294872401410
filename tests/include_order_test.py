#!/usr/bin/env python3
"""Holds the folders of src/ramet to the order of the pipeline, which src/ramet/CMakeLists.txt lists.

    include_order_test.py SOURCE_DIR        the sources obey
    include_order_test.py --self-test       the check itself can fail

O1. A file includes files of its own folder and of folders before it, tests and benchmarks too.
O2. It names them from the root ("ramet/base/result.h"), so that O1 can be seen.
O3. A folder links only folders before it.
O4. Every folder with sources is in the list.
"""

import argparse
import re
import sys
import tempfile
from pathlib import Path

LIST = re.compile(r"foreach\(module ([\w\s]+)\)")
LINKS = re.compile(r"ramet_module\(\w+[^)]*?\bDEPENDS ([\w\s]+?)(?:\bLIBRARIES\b|\))")
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<(ramet/[^>]+)>)', re.MULTILINE)
SUFFIXES = (".h", ".cc", ".cu", ".cuh")


def violations(source_dir):
    root = Path(source_dir) / "src" / "ramet"
    folders = LIST.search((root / "CMakeLists.txt").read_text())[1].split()
    place = {folder: i for i, folder in enumerate(folders)}
    found, files = [], 0
    for path in sorted(p for p in root.rglob("*") if p.suffix in SUFFIXES):
        files += 1
        where, own = path.relative_to(source_dir), path.relative_to(root).parts[0]
        if own not in place:
            found.append(f"{where}: O4: src/ramet/CMakeLists.txt does not list the folder {own}")
            continue
        for quoted, angled in INCLUDE.findall(path.read_text()):
            included = quoted or angled
            parts = included.split("/")
            if len(parts) < 3 or parts[0] != "ramet" or parts[1] not in place:
                found.append(f'{where}: O2: "{included}" is not "ramet/FOLDER/FILE" of a listed folder')
            elif place[parts[1]] > place[own]:
                found.append(f'{where}: O1: "{included}" comes after {own} in the pipeline')
    for own in folders:
        lists = root / own / "CMakeLists.txt"
        for linked in LINKS.findall(lists.read_text()) if lists.exists() else []:
            found += [
                f"{lists.relative_to(source_dir)}: O3: {own} links {name}, which does not come before it"
                for name in linked.split()
                if place.get(name, len(place)) >= place[own]
            ]
    if files == 0:
        found.append(f"{root}: no source files found, so nothing was checked")
    return found


def self_test():
    def check(files):
        with tempfile.TemporaryDirectory() as folder:
            for name, text in files.items():
                path = Path(folder) / "src" / "ramet" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            return [re.search(r"O\d|no source", v)[0] for v in violations(folder)]

    order = {
        "CMakeLists.txt": "# in order\nforeach(module base table\n   bins)\n  add_subdirectory(${module})\nendforeach()"
    }
    clean = order | {
        "base/a.h": "#include <vector>\n",
        "table/b.cc": '#include "ramet/table/b.h"\n#include "ramet/base/a.h"\n'
        '// #include "ramet/bins/c.h" would be wrong\n',
        "table/CMakeLists.txt": "ramet_module(table DEPENDS base LIBRARIES bins::bins)",
    }
    assert check(clean) == [], check(clean)
    assert check(order) == ["no source"]
    assert check(clean | {"base/x.h": '#include "ramet/table/b.h"'}) == ["O1"]
    assert check(clean | {"base/x_test.cc": '  #  include "ramet/bins/testing.h"'}) == ["O1"]
    assert check(clean | {"base/x.h": "#include <ramet/table/b.h>"}) == ["O1"]
    outside = '#include "b.h"\n#include "../base/a.h"\n#include "cli/command.h"'
    assert check(clean | {"table/x.cc": outside}) == ["O2"] * 3
    assert check(clean | {"table/CMakeLists.txt": "ramet_module(table DEPENDS base bins)"}) == ["O3"]
    assert check(clean | {"table/CMakeLists.txt": "ramet_module(table DEPENDS table LIBRARIES x)"}) == ["O3"]
    assert check(clean | {"common/x.h": ""}) == ["O4"]
    return []


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--self-test", action="store_true")
    parser.add_argument("source_dir", nargs="?")
    arguments = parser.parse_args()
    if not arguments.self_test and not arguments.source_dir:
        parser.error("name the source directory")
    found = self_test() if arguments.self_test else violations(arguments.source_dir)
    print("\n".join(found) or "ok", file=sys.stderr if found else sys.stdout)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
