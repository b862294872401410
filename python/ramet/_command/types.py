"""Which Arrow type holds what: of a flag, of two files' columns, of two blocks of a CSV file.

The rules are those of the native reader (`src/reader/reader.h`, F2 and F3); the tests of the command run on both.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

Type = Any  # pyarrow has no types of its own for mypy
Schema = Any
Array = Any

_OF_FLAG = {
    "int64": pa.int64(),
    "float64": pa.float64(),
    "float32": pa.float32(),
    "string": pa.utf8(),
    "bool": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
    "category": None,
}


def of_flag(flag: str) -> Type | None:
    """The type that --type names (which exists); None for `category`."""
    return _OF_FLAG[flag]


def values_of(type: Type) -> Type:
    return type.value_type if pa.types.is_dictionary(type) else type


def is_text(type: Type) -> bool:
    return str(type) in ("string", "large_string", "string_view")


def _is_number(type: Type) -> bool:
    return bool(pa.types.is_integer(type) or pa.types.is_floating(type))


_UNITS = ["s", "ms", "us", "ns"]


def _finer(a: Type, b: Type) -> Type:
    return a if _UNITS.index(a.unit) > _UNITS.index(b.unit) else b


def wider(a: Type, b: Type) -> Type | None:
    """The type that holds the values of both (F3); None if there is none."""
    if a.equals(b) or pa.types.is_null(b):
        return a
    if pa.types.is_null(a):
        return b
    if pa.types.is_dictionary(a) != pa.types.is_dictionary(b):
        return None
    if pa.types.is_dictionary(a):
        values = wider(a.value_type, b.value_type)
        return None if values is None else pa.dictionary(pa.int32(), values)
    if is_text(a) and is_text(b):
        return pa.large_utf8()
    if pa.types.is_timestamp(a) and pa.types.is_timestamp(b):
        return _finer(a, b) if a.tz == b.tz else None
    if pa.types.is_integer(a) and pa.types.is_integer(b):
        if pa.types.is_uint64(a) or pa.types.is_uint64(b):
            signs_differ = pa.types.is_signed_integer(a) != pa.types.is_signed_integer(b)
            return None if signs_differ else pa.uint64()
        return pa.int64()
    return pa.float64() if _is_number(a) and _is_number(b) else None


def join(a: Type, b: Type) -> Type:
    """The narrowest type that all values of two CSV columns read as (F2)."""
    if a.equals(b) or pa.types.is_null(b):
        return a
    if pa.types.is_null(a):
        return b
    pair = {a.id, b.id}
    if pair == {pa.int64().id, pa.float64().id}:
        return pa.float64()
    if pa.types.is_timestamp(a) or pa.types.is_timestamp(b):
        stamp = a if pa.types.is_timestamp(a) else b
        if pa.types.is_date32(a) or pa.types.is_date32(b):
            return pa.utf8() if stamp.tz else stamp
        if pa.types.is_timestamp(a) and pa.types.is_timestamp(b) and a.tz == b.tz:
            return _finer(a, b)
    return pa.utf8()


def needs_text(before: Type, after: Type) -> bool:
    """Whether values of type `before` were read in a way that only their text can undo."""
    return bool(pa.types.is_string(after) and not pa.types.is_string(before) and not pa.types.is_null(before))


def widen(schema: Schema, first: str, name: str, other: Schema) -> Schema:
    """The schema that holds the rows of `schema` (which begins with file `first`) and those of file `name`."""
    for field in other:
        if field.name not in schema.names:
            raise ValueError(
                f'{name}: column "{field.name}" is not in {first}. Use --drop {field.name} to leave it out.'
            )
    fields = []
    for field in schema:
        if field.name not in other.names:
            raise ValueError(f'{name}: column "{field.name}" is missing; {first} has it.')
        own = other.field(field.name).type
        type = wider(field.type, own)
        if type is None:
            raise ValueError(
                f'{name}: column "{field.name}" is of type {own}, before it was {field.type}. '
                f"Make the files agree, or use --drop {field.name}."
            )
        fields.append(pa.field(field.name, type))
    return pa.schema(fields)


def apply_flags(schema: Schema, flags: list[tuple[str, str]]) -> Schema:
    """The schema with the types that the user asks for in place of the files' own."""
    for column, flag in flags:
        position = schema.get_field_index(column)
        if position < 0:
            continue  # dropped
        type = of_flag(flag)
        if type is None:
            own = schema.field(position).type
            type = own if pa.types.is_dictionary(own) else pa.dictionary(pa.int32(), own)
        schema = schema.set(position, pa.field(column, type))
    return schema


def convert(name: str, column: str, array: Array, type: Type) -> Array:
    """The values of a column of file `name` as `type`."""
    if array.type.equals(type):
        return array
    values = values_of(type)
    try:
        if not array.type.equals(values):
            # Integers beyond 2^53 become the nearest float64; all else must keep its value.
            array = array.cast(values, safe=not pa.types.is_floating(values))
        if pa.types.is_dictionary(type):
            array = array.dictionary_encode()
    except pa.ArrowException as error:
        raise ValueError(
            f'{name}: column "{column}" cannot be read as {type}: {error}. Choose another --type, or --drop it.'
        ) from None
    return array
