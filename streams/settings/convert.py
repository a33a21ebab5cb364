"""TOML tables to settings structs, by the structs' own fields; collects every problem instead of stopping at the first.

A field `window_us: int` is spelled `window = "1s"`; every other field by the name that it is encoded by: its own.
"""

import difflib
import functools
import json
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import inspect as shapes

from streams.loop.durations import format_duration, parse_duration

Path = tuple[str, ...]
S = TypeVar("S", bound=msgspec.Struct)


class Problems:
    """What is wrong, with the path of the key where it is."""

    def __init__(self) -> None:
        self.found: list[tuple[Path, str]] = []

    def add(self, path: Path, message: str) -> None:
        """Note one problem."""
        self.found.append((path, message))

    def unknown(self, path: Path, known: list[str]) -> str | None:
        """Note a key that nothing reads; return the key that was perhaps meant."""
        near = difflib.get_close_matches(path[-1], known, n=1, cutoff=0.6)
        hint = f'did you mean "{near[0]}"?' if near else f"expected one of {', '.join(sorted(known))}"
        self.add(path, f"unknown key, {hint}")
        return near[0] if near else None


def struct_of(
    cls: type[S], table: Any, *, path: Path, problems: Problems, given: Mapping[str, Any] | None = None
) -> S | None:
    """Return the struct that a table spells; `given` fields are no keys of the table.

    A wrong value is noted and replaced by the default, so that later checks still see the rest; None where a value
    without a default is wrong or missing.
    """
    if not isinstance(table, dict):
        problems.add(path, f"expected a table, got {spelled(table)}")
        table = {}
    values: dict[str, Any] = dict(given or {})
    fields = {toml_name(field): field for field in shape_of(cls).fields if field.name not in values}
    meant = {problems.unknown((*path, name), list(fields)) for name in table if name not in fields}
    for name, field in fields.items():
        before = len(problems.found)
        if name in table:
            value = _value(field, table[name], (*path, name), problems)
            if len(problems.found) == before:
                values[field.name] = value
        elif field.required and name not in meant:
            problems.add((*path, name), "missing, and there is no default")
    if any(field.required and field.name not in values for field in fields.values()):
        return None
    return _built(cls, values, path, fields, problems)


def _built(
    cls: type[S], values: Mapping[str, Any], path: Path, fields: Mapping[str, shapes.Field], problems: Problems
) -> S | None:
    try:
        return cls(**values)
    except ValueError as error:  # what a struct says in __post_init__ about its fields together, joined by "; "
        names = {field.name: name for name, field in fields.items()}
        wrong = set()
        for message in str(error).split("; "):
            first, _, rest = message.partition(" ")
            named = names.get(first, first)
            problems.add((*path, named) if named in fields else path, rest if named in fields else message)
            wrong |= {fields[named].name} if named in fields else set(values)
        right = {name: value for name, value in values.items() if name not in wrong}
        whole = all(not field.required or field.name in right for field in fields.values())
        return _built(cls, right, path, fields, Problems()) if whole and len(right) < len(values) else None


@functools.cache
def shape_of(cls: type[msgspec.Struct]) -> shapes.StructType:
    """Return the fields of a struct with their types and constraints."""
    shape = shapes.type_info(cls)
    assert isinstance(shape, shapes.StructType)  # noqa: S101  # the caller passes a struct class
    return shape


def toml_name(field: shapes.Field) -> str:
    """Return the key of a field: `window_us: int` is `window`."""
    return field.encode_name.removesuffix("_us") if _is_duration(field) else field.encode_name


def _is_duration(field: shapes.Field) -> bool:
    return field.name.endswith("_us") and any(
        isinstance(shape, shapes.IntType) for shape in _alternatives(_bare(field.type))
    )


def _bare(shape: shapes.Type) -> shapes.Type:
    return _bare(shape.type) if isinstance(shape, shapes.Metadata) else shape


def _alternatives(shape: shapes.Type) -> tuple[shapes.Type, ...]:
    return tuple(_bare(one) for one in shape.types) if isinstance(shape, shapes.UnionType) else (shape,)


def _value(field: shapes.Field, value: Any, path: Path, problems: Problems) -> Any:
    if _is_duration(field):
        return _duration(field, value, path, problems)
    for shape in _alternatives(_bare(field.type)):
        if isinstance(shape, shapes.StructType):
            return struct_of(shape.cls, value, path=path, problems=problems)
        if isinstance(shape, shapes.DictType) and isinstance(value, dict):
            return {key: _leaf(shape.value_type, item, (*path, key), problems) for key, item in value.items()}
    return _leaf(field.type, value, path, problems)


def _duration(field: shapes.Field, value: Any, path: Path, problems: Problems) -> int | None:
    try:
        if not isinstance(value, str):
            raise ValueError(f'expected a duration such as "1s", got {spelled(value)}')
        duration_us = parse_duration(value)
    except ValueError as error:
        problems.add(path, str(error))
        return None
    for shape in _alternatives(_bare(field.type)):
        if isinstance(shape, shapes.IntType) and not _within(shape, duration_us):
            problems.add(path, f'expected a duration{_bounds(shape, format_duration)}, got "{value}"')
    return duration_us


def _leaf(shape: shapes.Type, value: Any, path: Path, problems: Problems) -> Any:
    kind = _bare(shape)
    if isinstance(kind, shapes.StructType):
        return struct_of(kind.cls, value, path=path, problems=problems)
    if isinstance(kind, shapes.VarTupleType | shapes.ListType) and isinstance(value, list):
        return tuple(_leaf(kind.item_type, item, path, problems) for item in value)
    if isinstance(kind, shapes.TupleType) and isinstance(value, list) and len(value) == len(kind.item_types):
        pairs = zip(kind.item_types, value, strict=True)
        return tuple(_leaf(item_type, item, path, problems) for item_type, item in pairs)
    if any(_fits(one, value) for one in _alternatives(kind)):
        return value
    problems.add(path, f"expected {' or '.join(_wanted(one) for one in _alternatives(kind))}, got {spelled(value)}")
    return None


def _fits(shape: shapes.Type, value: Any) -> bool:
    match shape:
        case shapes.BoolType():
            return isinstance(value, bool)
        case shapes.IntType():
            return isinstance(value, int) and not isinstance(value, bool) and _within(shape, value)
        case shapes.FloatType():
            number = isinstance(value, int | float) and not isinstance(value, bool)
            return number and math.isfinite(value) and _within(shape, value)
        case shapes.StrType():
            return isinstance(value, str)
        case shapes.LiteralType():
            return value in shape.values
        case shapes.AnyType():
            return True
        case _:
            return False


def _within(shape: shapes.IntType | shapes.FloatType, value: float) -> bool:
    return (
        (shape.ge is None or value >= shape.ge)
        and (shape.gt is None or value > shape.gt)
        and (shape.le is None or value <= shape.le)
        and (shape.lt is None or value < shape.lt)
    )


def _bounds(shape: shapes.IntType | shapes.FloatType, spell: Callable[[Any], str]) -> str:
    if shape.ge is not None and shape.le is not None:
        return f" from {spell(shape.ge)} to {spell(shape.le)}"
    bounds = (("of at least", shape.ge), ("above", shape.gt), ("of at most", shape.le), ("below", shape.lt))
    parts = [f"{words} {spell(bound)}" for words, bound in bounds if bound is not None]
    return f" {' and '.join(parts)}" if parts else ""


def _wanted(shape: shapes.Type) -> str:
    match shape:
        case shapes.BoolType():
            return "true or false"
        case shapes.IntType():
            return f"a whole number{_bounds(shape, str)}"
        case shapes.FloatType():
            return f"a number{_bounds(shape, '{:g}'.format)}"
        case shapes.StrType():
            return "a text in quotes"
        case shapes.LiteralType():
            return " or ".join(spelled(value) for value in shape.values)
        case shapes.DictType() | shapes.StructType():
            return "a table"
        case shapes.TupleType():
            return f"a list of {len(shape.item_types)}: {', '.join(_wanted(_bare(one)) for one in shape.item_types)}"
        case shapes.VarTupleType() | shapes.ListType():
            return f"a list, each {_wanted(_bare(shape.item_type))}"
        case _:
            return "nothing"


def spelled(value: Any) -> str:
    """Return a value about as TOML spells it, shortened."""
    if isinstance(value, dict):
        return "a table"
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
