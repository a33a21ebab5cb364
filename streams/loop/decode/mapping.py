"""Foreign JSON: samples by the operator's field mapping."""

import math
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from schemas.errors import ContractError
from streams.loop.decode.json_rows import strict
from streams.loop.decode.samples import Sample
from streams.loop.decode.settings import FieldMapping

_PER_UNIT_US = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3}
_AUTO = ((1e11, "s"), (1e14, "ms"), (1e17, "us"))
"""Below the first number that is larger a time is taken as that unit."""


def mapped(mapping: FieldMapping) -> Callable[[bytes], Sample]:
    """Return the function that reads one foreign row; it raises `ContractError`."""

    def parse(data: bytes) -> Sample:
        row = strict(data)
        if not isinstance(row, dict):
            raise ContractError("wrong-type", f"expected an object, got {type(row).__name__}")
        return Sample(
            entity=_text(_at(row, mapping.entity), mapping.entity),
            time=_time(_at(row, mapping.time), mapping),
            values=dict(_values(row, mapping)),
            event=None if mapping.event is None else _optional_text(_at(row, mapping.event), mapping.event),
            attributes=_attributes(row, mapping),
        )

    return parse


def _at(row: dict[str, Any], path: str) -> Any:
    """Return the member at a path, or None; a member whose name holds the dots itself comes first."""
    if path in row:
        return row[path]
    first, dot, rest = path.partition(".")
    inner = row.get(first)
    return _at(inner, rest) if dot and isinstance(inner, dict) else None


def _values(row: dict[str, Any], mapping: FieldMapping) -> Iterator[tuple[str, float]]:
    if not mapping.values:
        yield from _numbers({name: value for name, value in row.items() if name not in (mapping.entity, mapping.time)})
    for path in mapping.values:
        found = _at(row, path)
        if isinstance(found, dict):
            yield from _numbers(found)
        elif found is not None:
            yield path, _number(found, path)


def _numbers(members: dict[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in members.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield name, _number(value, name)


def _number(value: Any, path: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ContractError("wrong-type", f"expected a number at {path}, got {type(value).__name__}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ContractError("not-finite", f"expected a finite number at {path}")
    return number


def _time(value: Any, mapping: FieldMapping) -> int | datetime:
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value)
        except ValueError as error:
            raise ContractError("bad-time", f"expected RFC 3339 at {mapping.time}, got {value[:40]!r}") from error
    number = _number(value, mapping.time)
    unit: str = mapping.time_unit
    if unit == "auto":
        unit = next((name for limit, name in _AUTO if abs(number) < limit), "ns")
    if isinstance(value, int):
        return value * 1_000_000 if unit == "s" else value * 1000 if unit == "ms" else _whole(value, unit)
    return round(number * _PER_UNIT_US[unit])


def _whole(value: int, unit: str) -> int:
    return value // 1000 if unit == "ns" else value


def _text(value: Any, path: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise ContractError("wrong-type", f"expected a text at {path}, got {type(value).__name__}")


def _optional_text(value: Any, path: str) -> str | None:
    return None if value is None else _text(value, path)


def _attributes(row: dict[str, Any], mapping: FieldMapping) -> dict[str, str] | None:
    found = {name: _at(row, path) for name, path in mapping.attributes.items()}
    return {name: _text(value, name) for name, value in found.items() if value is not None} or None
