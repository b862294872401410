"""Seeded tables for the benchmarks, written as Parquet or CSV.

    python bench/data.py higgs --rows 1000000 --seed 0 --split train --out data/bench/higgs.parquet

Kinds
    higgs        28 float32 columns named and shaped like the HIGGS data set (momenta, angles, b-tags, invariant
                 masses) and a 0/1 label whose log-odds are a nonlinear function of them
    heavy_tail   the same columns, a lognormal target
    huge_weight  higgs with a weight per row; the first training row weighs 1,000,000 times the mean
    counts       the columns of higgs and a Poisson count whose mean depends on them
    amounts      the columns of higgs and a gamma-distributed amount, of shape 2
    skewed       the columns of higgs and a target with skewed noise whose spread depends on them too
    mixed        strings, small integers, floats with missing values, and a 0/1 label

Rows are made in blocks, each from its own generator seeded by (seed, split, block): a longer table begins with the rows
of a shorter one, memory stays small, and test rows are never training rows.
"""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

ROWS_PER_BLOCK = 1 << 17
SPLITS = {"train": 0, "test": 1}
HUGE_WEIGHT = 1e6

Floats = NDArray[np.float32]
Columns = dict[str, NDArray[np.generic]]


def normal(rng: np.random.Generator, rows: int) -> Floats:
    """Standard normal float32 values."""
    return rng.standard_normal(rows, dtype=np.float32)


def angle(rng: np.random.Generator, rows: int) -> Floats:
    """Angles, uniform between -pi and pi."""
    return (rng.random(rows, dtype=np.float32) * 2 - 1) * np.float32(np.pi)


def bernoulli(rng: np.random.Generator, log_odds: Floats) -> NDArray[np.int8]:
    """0 or 1, with these log-odds of 1."""
    probability = 1 / (1 + np.exp(-log_odds))
    return (rng.random(len(log_odds), dtype=np.float32) < probability).astype(np.int8)


class Particles:
    """Momentum, pseudorapidity and azimuth of one particle in each event; massless, so a pair's mass needs no more."""

    def __init__(self, rng: np.random.Generator, rows: int, pt_log_mean: float) -> None:
        self.pt: Floats = np.exp(np.float32(pt_log_mean) + np.float32(0.5) * normal(rng, rows))
        central = rng.random(rows, dtype=np.float32) < np.float32(0.7)
        self.eta: Floats = normal(rng, rows) * np.where(central, np.float32(0.7), np.float32(1.5))
        self.phi: Floats = angle(rng, rows)

    def squared_mass_with(self, other: "Particles") -> Floats:
        """The squared invariant mass of the pair."""
        spread = np.cosh(self.eta - other.eta) - np.cos(self.phi - other.phi)
        return np.float32(2) * self.pt * other.pt * spread


def higgs_features(rng: np.random.Generator, rows: int) -> dict[str, Floats]:
    """21 measured columns of an event and 7 masses derived from them."""
    lepton = Particles(rng, rows, -0.1)
    missing = Particles(rng, rows, -0.1)
    missing.eta[:] = 0
    jets = [Particles(rng, rows, level) for level in (0.2, 0.0, -0.2, -0.4)]

    columns = {"lepton_pt": lepton.pt, "lepton_eta": lepton.eta, "lepton_phi": lepton.phi}
    columns |= {"missing_energy": missing.pt, "missing_phi": missing.phi}
    for number, jet in enumerate(jets, start=1):
        b_tag = rng.choice(np.array([0.0, 1.0865, 2.173], dtype=np.float32), rows, p=[0.5, 0.25, 0.25])
        columns |= {f"jet{number}_pt": jet.pt, f"jet{number}_eta": jet.eta, f"jet{number}_phi": jet.phi}
        columns[f"jet{number}_btag"] = b_tag

    squared = {
        "m_jj": jets[0].squared_mass_with(jets[1]),
        "m_lv": lepton.squared_mass_with(missing),
        "m_jl": jets[0].squared_mass_with(lepton),
        "m_bb": jets[2].squared_mass_with(jets[3]),
        "m_jv": jets[1].squared_mass_with(missing),
    }
    squared["m_wbb"] = squared["m_jj"] + squared["m_bb"] + jets[1].squared_mass_with(jets[2])
    squared["m_wwbb"] = squared["m_wbb"] + squared["m_lv"] + jets[0].squared_mass_with(missing)
    return columns | {name: np.sqrt(np.maximum(value, 0)) for name, value in squared.items()}


def higgs_signal(x: dict[str, Floats]) -> Floats:
    """What the label depends on: resonances, thresholds and interactions; mean about 0, deviation about 1."""

    def resonance(name: str, centre: float, width: float) -> Floats:
        return np.exp(-((np.log(x[name] + np.float32(1e-3)) - np.float32(centre)) ** 2) / np.float32(2 * width**2))

    b_tags = x["jet1_btag"] + x["jet2_btag"] + x["jet3_btag"] + x["jet4_btag"]
    signal = (
        1.6 * resonance("m_bb", 0.1, 0.35)
        + 1.2 * resonance("m_jj", 0.6, 0.3) * (b_tags > 2)
        + 0.9 * resonance("m_wwbb", 1.4, 0.25)
        - 0.8 * np.log(x["m_wbb"] + np.float32(1e-3))
        + 0.5 * np.cos(x["lepton_phi"] - x["missing_phi"]) * x["missing_energy"]
        - 0.4 * np.abs(x["lepton_eta"]) * (x["jet1_pt"] > 1)
        + 0.3 * np.log(x["lepton_pt"]) * np.log(x["jet1_pt"])
        + 0.4 * np.cos(x["jet1_phi"] - x["jet3_phi"]) * np.sign(x["jet1_eta"])
    )
    return ((signal - 0.51) / 1.24).astype(np.float32)


def higgs_block(rng: np.random.Generator, rows: int) -> Columns:
    """Events and whether each is a signal; 53 in 100 are."""
    features = higgs_features(rng, rows)
    label = bernoulli(rng, np.float32(1.3) * higgs_signal(features) + np.float32(0.13))
    return {"label": label, **features}


def heavy_tail_block(rng: np.random.Generator, rows: int) -> Columns:
    """The columns of higgs and a lognormal target: the largest of a million is hundreds of times the mean."""
    features = higgs_features(rng, rows)
    target = np.exp(np.float32(0.8) * higgs_signal(features) + np.float32(1.2) * normal(rng, rows))
    return {"label": target, **features}


def counts_block(rng: np.random.Generator, rows: int) -> Columns:
    """The columns of higgs and a count of mean 0.7, most often 0."""
    features = higgs_features(rng, rows)
    mean = np.exp(np.float32(0.6) * higgs_signal(features) - np.float32(0.5))
    return {"label": rng.poisson(mean).astype(np.int32), **features}


def amounts_block(rng: np.random.Generator, rows: int) -> Columns:
    """The columns of higgs and an amount above 0."""
    features = higgs_features(rng, rows)
    mean = np.exp(np.float32(0.6) * higgs_signal(features) + np.float32(3))
    amount = mean / 2 * rng.standard_gamma(2.0, rows)
    return {"label": np.maximum(amount, 1e-3).astype(np.float32), **features}


def skewed_block(rng: np.random.Generator, rows: int) -> Columns:
    """The columns of higgs and a target of exponential noise, wider where the signal is high."""
    features = higgs_features(rng, rows)
    signal = higgs_signal(features)
    noise = np.exp(np.float32(0.5) * signal) * (rng.standard_exponential(rows, dtype=np.float32) - 1)
    return {"label": (signal + noise).astype(np.float32), **features}


def huge_weight_block(rng: np.random.Generator, rows: int) -> Columns:
    """higgs with exponential weights of mean 1; `rows_of` makes the first training row huge."""
    block = higgs_block(rng, rows)
    return {"label": block.pop("label"), "weight": rng.standard_exponential(rows, dtype=np.float32), **block}


def mixed_block(rng: np.random.Generator, rows: int) -> Columns:
    """Categories of three sizes, small integers and floats, some of them missing."""
    sizes = {"colour": 5, "carrier": 30, "station": 200}
    codes = {name: (rng.beta(0.8, 2.0, rows) * size).astype(np.int64) for name, size in sizes.items()}
    # An effect per category, the same for every seed: hashed from its number.
    effect = {name: np.sin(code * 12.9898 + len(name)).astype(np.float32) for name, code in codes.items()}
    hour = rng.integers(0, 24, rows, dtype=np.int8)
    weekday = rng.integers(0, 7, rows, dtype=np.int8)
    wind, rain, distance = normal(rng, rows), np.abs(normal(rng, rows)), np.exp(normal(rng, rows))
    log_odds = (
        effect["colour"]
        + effect["carrier"] * (hour > 15)
        + np.float32(1.5) * effect["station"]
        + np.float32(0.8) * wind * rain
        - np.float32(0.5) * np.log(distance) * (weekday >= 5)
    )
    block: Columns = {"label": bernoulli(rng, log_odds)}
    for name, code in codes.items():
        names = np.array([f"{name}-{number:03d}" for number in range(sizes[name])], dtype=object)
        text = names[code]
        text[rng.random(rows) < 0.02] = None
        block[name] = text
    # Missing wind tells nothing; rain is missing more often where it is strong.
    wind[rng.random(rows) < 0.1] = np.nan
    rain[rng.random(rows) < 0.1 * rain] = np.nan
    return block | {"hour": hour, "weekday": weekday, "wind": wind, "rain": rain, "distance": distance}


KINDS: dict[str, Callable[[np.random.Generator, int], Columns]] = {
    "higgs": higgs_block,
    "heavy_tail": heavy_tail_block,
    "huge_weight": huge_weight_block,
    "counts": counts_block,
    "amounts": amounts_block,
    "skewed": skewed_block,
    "mixed": mixed_block,
}


def blocks_of(kind: str, rows: int, seed: int, split: str) -> Iterator[pa.RecordBatch]:
    """The table, block by block."""
    for block, start in enumerate(range(0, rows, ROWS_PER_BLOCK)):
        rng = np.random.default_rng([seed, SPLITS[split], block])
        # Whole blocks are drawn, then cut: a row does not depend on the number of rows.
        columns = KINDS[kind](rng, ROWS_PER_BLOCK)
        if kind == "huge_weight" and split == "train" and block == 0:
            columns["weight"][0] = HUGE_WEIGHT
        kept = min(ROWS_PER_BLOCK, rows - start)
        yield pa.RecordBatch.from_pydict({name: pa.array(values[:kept]) for name, values in columns.items()})


def write(kind: str, rows: int, seed: int, split: str, out: Path) -> None:
    """Writes the table to `out` (.parquet or .csv); the file appears only when it is whole."""
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(out.name + ".part")
    batches = blocks_of(kind, rows, seed, split)
    first = next(batches)
    text = [field.name for field in first.schema if pa.types.is_string(field.type)]
    with (
        pyarrow.csv.CSVWriter(partial, first.schema)
        if out.suffix == ".csv"
        else pyarrow.parquet.ParquetWriter(partial, first.schema, use_dictionary=text)
    ) as writer:
        writer.write_batch(first)
        for batch in batches:
            writer.write_batch(batch)
    partial.rename(out)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--split", choices=SPLITS, default="train")
    parser.add_argument("--out", type=Path, required=True, help="a .parquet or .csv file")
    options = parser.parse_args()
    if options.rows < 1:
        parser.error("--rows must be at least 1")
    if options.out.suffix not in (".parquet", ".csv"):
        parser.error(f"--out {options.out}: the name must end in .parquet or .csv")
    write(options.kind, options.rows, options.seed, options.split, options.out)


if __name__ == "__main__":
    main()
