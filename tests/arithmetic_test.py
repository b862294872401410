#!/usr/bin/env python3
"""Holds the libraries to plain IEEE arithmetic, by looking at their machine code (docs: ARCHITECTURE.md, rule 4).

    arithmetic_test.py LIBRARY...                the libraries obey
    arithmetic_test.py --self-test COMPILER      the check itself can fail: it reports a library made to break each law

A1. No fused multiply-add: it rounds once where the specification rounds twice.
A2. No approximate instruction (reciprocal, square root): its bits differ between processors.
A3. No function of libm but the exact ones: the others differ between versions of libm.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

FUSED = re.compile(r"vf[nc]*m(add|sub|ul)\w*|fn?m(add|sub)|f(mla|mls|mlal|mlsl|cmla)\w*|bfm\w+")
APPROXIMATE = re.compile(r"v?r(cp|sqrt)(14|28)?[ps][sdh]|fr(ecp|sqrt)[esx]")

# Correctly rounded, or exact, by their definition: the same bits everywhere.
EXACT = """ceil copysign fabs fdim floor fmax fmin fmod frexp ilogb ldexp llrint llround logb lrint lround modf nan
           nearbyint nextafter remainder rint round roundeven scalbln scalbn sqrt trunc""".split()
FORBIDDEN = """acos acosh asin asinh atan atan2 atanh cbrt cos cosh erf erfc exp exp10 exp2 expm1 fma gamma hypot j0 j1
               jn lgamma lgamma_r log log10 log1p log2 pow pow10 sin sincos sinh tan tanh tgamma y0 y1 yn""".split()
MATH_SYMBOL = re.compile(
    r"(?:_ZGV[a-z][A-Z]\w*?_|__)?"  # vector forms (libmvec), internal forms
    rf"({'|'.join(sorted(FORBIDDEN, key=len, reverse=True))})"
    r"(?:f|l|f16|f32x?|f64x?|f128)?(?:_finite)?"
)
POWER = re.compile(r"__powi[sdtx]f2")  # the compiler's own power by an integer


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def is_forbidden_symbol(name):
    name = name.split("@")[0]
    return name not in EXACT and bool(MATH_SYMBOL.fullmatch(name) or POWER.fullmatch(name))


def bad_instructions(library):
    """Yields a line for each function and kind of instruction that is not plain; counts what it saw."""
    function, seen, reported = "?", 0, set()
    for line in run("objdump", "-d", "-C", "--no-show-raw-insn", library).splitlines():
        if header := re.match(r"[0-9a-f]+ <(.*)>:$", line):
            function = header[1]
            continue
        fields = line.split("\t")
        if len(fields) < 2:
            continue
        seen += 1
        words = fields[1].split()
        mnemonic = words[0] if words else ""
        for law, pattern in (("A1: fused", FUSED), ("A2: approximate", APPROXIMATE)):
            if pattern.fullmatch(mnemonic) and (function, mnemonic) not in reported:
                reported.add((function, mnemonic))
                yield f"{library}: {law} instruction {mnemonic} in {function}"
    if seen == 0:
        yield f"{library}: no machine code found (built with -flto?), so nothing was checked"


def bad_symbols(library):
    member = "?"
    for line in run("nm", "--undefined-only", library).splitlines():
        if line.endswith(":"):
            member = line[:-1]
        elif (words := line.split()) and is_forbidden_symbol(words[-1]):
            yield f"{library}: A3: {member} calls {words[-1]} of libm. Use ramet/base/math.h."


def violations(libraries):
    missing = [f"{library}: not built yet" for library in libraries if not Path(library).exists()]
    return missing or [v for library in libraries for check in (bad_instructions, bad_symbols) for v in check(library)]


BROKEN = """
#include <cmath>
double Fused(double a, double b, double c) { return a * b + c; }
double Transcendental(double x) { return std::exp(x); }
#ifdef __x86_64__
#include <immintrin.h>
__m128 Approximate(__m128 x) { return _mm_rcp_ps(x); }
#else
#include <arm_neon.h>
float32x4_t Approximate(float32x4_t x) { return vrecpeq_f32(x); }
#endif
"""
CLEAN = """
#include <cmath>
double Unfused(double a, double b, double c) { return std::floor(a * b + c); }
double Exact(double x) { int e; return std::frexp(x, &e) + std::ldexp(x, 3) + std::sqrt(x); }
"""


def compiled(compiler, folder, name, source, *flags):
    source_file, library = folder / f"{name}.cc", folder / f"lib{name}.a"
    source_file.write_text(source)
    run(compiler, "-O2", *flags, "-c", source_file, "-o", folder / f"{name}.o")
    run("ar", "rcs", library, folder / f"{name}.o")
    return str(library)


def self_test(compiler):
    fma = ["-mfma"] if "x86_64" in run(compiler, "-dumpmachine") else []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        broken = violations([compiled(compiler, folder, "broken", BROKEN, *fma, "-ffp-contract=fast")])
        clean = violations([compiled(compiler, folder, "clean", CLEAN, *fma, "-ffp-contract=off")])
        empty = violations([compiled(compiler, folder, "empty", "extern int x; int x = 1;")])
    for law in ("A1", "A2", "A3"):
        assert sum(law in v for v in broken) == 1, (law, broken)
    assert len(broken) == 3, broken
    assert clean == [], clean
    assert len(empty) == 1 and "no machine code" in empty[0], empty
    forbidden = """exp expf expl log1pf __exp_finite __powf_finite _ZGVdN4v_exp _ZGVbN4vv_powf fma sincosf
                   pow@GLIBC_2.29 hypot tanhf128 __powidf2"""
    for symbol in forbidden.split():
        assert is_forbidden_symbol(symbol), symbol
    for symbol in "frexp ldexpf floorl sqrt logb expect _ZN5ramet3ExpEd exports login sinfo memcpy".split():
        assert not is_forbidden_symbol(symbol), symbol
    for mnemonic in "vfmadd213pd vfnmsub231ss vfmaddsub132ps vfmaddpd fmadd fnmsub fmla fmls".split():
        assert FUSED.fullmatch(mnemonic), mnemonic
    for mnemonic in "vfpclasspd vfixupimmpd fmul fmov fadd vaddpd vmulpd fmaxnm".split():
        assert not FUSED.fullmatch(mnemonic), mnemonic
    return []


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--self-test", metavar="COMPILER")
    parser.add_argument("libraries", nargs="*")
    arguments = parser.parse_args()
    if not arguments.self_test and not arguments.libraries:
        parser.error("name at least one library")
    found = self_test(arguments.self_test) if arguments.self_test else violations(arguments.libraries)
    print("\n".join(found[:50]) or "ok", file=sys.stderr if found else sys.stdout)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
