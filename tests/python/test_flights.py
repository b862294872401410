"""Laws of the flights tables (examples/flights/prepare.py), on small random flights."""

import datetime as dt
import random
import sys
from pathlib import Path

import pyarrow as pa
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "flights"))
import prepare

UTC = dt.timezone.utc
PLANES = {
    "tailnum": ["N1", "N2"],
    "year": pa.array([2003, None], pa.int64()),
    "type": ["Fixed wing", "Fixed wing"],
    "manufacturer": ["BOEING", "AIRBUS"],
    "model": ["737", "A320"],
    "engines": [2, 2],
    "seats": [140, 180],
    "speed": pa.array([None, None], pa.int64()),
    "engine": ["Turbo-fan", "Turbo-fan"],
}


def make_source(seed: int, count: int = 200) -> dict[str, pa.Table]:
    """Random flights over all months, with an observation of every hour that names its own hour in `temp`."""
    draw = random.Random(seed)
    rows, hours = [], set()
    for number in range(count):
        when = dt.datetime(2013, draw.randint(1, 12), draw.randint(1, 28), draw.randint(5, 22), draw.randint(0, 59))
        scheduled = when.hour * 100 + when.minute
        cancelled = draw.random() < 0.1
        delay = None if cancelled else draw.randint(-30, 60)
        hour = when.replace(minute=0, tzinfo=UTC)
        hours.update(hour + dt.timedelta(hours=shift) for shift in range(-7, 2))
        rows.append(
            {
                "year": 2013,
                "month": when.month,
                "day": when.day,
                "dep_time": None if cancelled else scheduled,
                "sched_dep_time": scheduled,
                "dep_delay": delay,
                "arr_time": None if cancelled else draw.randint(0, 23) * 100,
                "sched_arr_time": draw.randint(0, 23) * 100 + draw.randint(0, 59),
                "arr_delay": delay,
                "carrier": draw.choice(["AA", "UA"]),
                "flight": number,
                "tailnum": draw.choice(["N1", "N2", "N9", None]),
                "origin": "EWR",
                "dest": draw.choice(["SFO", "ORD"]),
                "air_time": None if cancelled else 100,
                "distance": draw.randint(100, 3000),
                "hour": when.hour,
                "minute": when.minute,
                "time_hour": hour,
            }
        )
    observed = [hour for hour in sorted(hours) if draw.random() < 0.9]
    weather = {name: [draw.uniform(0, 10) for _ in observed] for name in prepare.WEATHER}
    weather["temp"] = [hour.timestamp() for hour in observed]
    weather |= {"origin": ["EWR"] * len(observed), "time_hour": pa.array(observed, pa.timestamp("s", "UTC"))}
    flights = pa.Table.from_pylist(rows)
    hour = pa.array([row["time_hour"] for row in rows], pa.timestamp("s", "UTC"))
    flights = flights.set_column(flights.schema.get_field_index("time_hour"), "time_hour", hour)
    return {"flights": flights, "weather": pa.table(weather), "planes": pa.table(PLANES)}


def rows_by_flight(source: dict[str, pa.Table]) -> list[tuple[dict, dict]]:
    """(joined row, source row) of every flight; flight numbers are unique here."""
    originals = {row["flight"]: row for row in source["flights"].to_pylist()}
    return [(row, originals[row["flight"]]) for row in prepare.join(**source).to_pylist()]


def test_nothing_known_after_departure_is_a_feature():
    assert not set(prepare.FEATURES) & prepare.AFTER_DEPARTURE
    parts = prepare.split(prepare.label(prepare.join(**make_source(1))))
    for part in parts.values():
        assert part.column_names == [*prepare.FEATURES, prepare.LABEL]


@pytest.mark.parametrize("seed", range(3))
def test_features_do_not_change_with_what_happened_later(seed):
    """The strongest law against leaks: other actual times and delays, the same features."""
    source = make_source(seed)
    draw = random.Random(seed)
    flights = source["flights"]
    for name in prepare.AFTER_DEPARTURE:
        values = pa.array([draw.randint(-99, 999) for _ in range(flights.num_rows)], pa.int64())
        flights = flights.set_column(flights.schema.get_field_index(name), name, values)
    before = prepare.join(**source).select(prepare.FEATURES)
    after = prepare.join(**{**source, "flights": flights}).select(prepare.FEATURES)
    assert before.equals(after)


@pytest.mark.parametrize("seed", range(3))
def test_weather_is_of_the_hours_before(seed):
    source = make_source(seed)
    weather = {row["time_hour"]: row for row in source["weather"].to_pylist()}
    for row, original in rows_by_flight(source):
        hour = original["time_hour"]
        recent = [weather.get(hour - dt.timedelta(hours=age)) for age in range(1, prepare.HOURS_BEFORE + 1)]
        last, recent = recent[0], [observation for observation in recent if observation is not None]
        assert row["temp"] == (last["temp"] if last else None)
        assert row["visib_6h"] == min((one["visib"] for one in recent), default=None)
        assert row["wind_speed_6h"] == max((one["wind_speed"] for one in recent), default=None)
        if recent:
            assert row["precip_6h"] == pytest.approx(sum(one["precip"] for one in recent))


@pytest.mark.parametrize("seed", range(3))
def test_order_is_that_of_the_schedule_whatever_the_source(seed):
    source = make_source(seed)
    order = list(range(source["flights"].num_rows))
    random.Random(seed).shuffle(order)
    shuffled = {**source, "flights": source["flights"].take(order)}
    columns = [*prepare.FEATURES, "month"]
    joined = prepare.join(**source).select(columns)
    assert joined.equals(prepare.join(**shuffled).select(columns))
    keys = [(row["month"], row["day"], row["sched_dep"]) for row in joined.to_pylist()]
    assert keys == sorted(keys)


def test_every_labelled_flight_is_in_one_part():
    labelled = prepare.label(prepare.join(**make_source(7)))
    parts = prepare.split(labelled)
    flights = [number for part in parts.values() for number in part["flight"].to_pylist()]
    assert sorted(flights) == sorted(labelled["flight"].to_pylist())
    for row in labelled.to_pylist():
        assert row[prepare.LABEL] == (row["arr_delay"] >= prepare.LATE_MINUTES)


def test_clock_times_are_minutes():
    clock = pa.chunked_array([[0, 5, 59, 100, 905, 2359]])
    assert prepare.minute_of_day(clock).to_pylist() == [0, 5, 59, 60, 545, 1439]
    assert prepare.elapsed(pa.chunked_array([[1430, 60]]), pa.chunked_array([[10, 200]])).to_pylist() == [20, 140]
