"""JSON telemetry: many rows in one go, or row by row with every fault told apart.

A message holds one event, an array of events, or events line by line.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from schemas.errors import ContractError
from schemas.wire import VALUE_LIMIT
from streams.loop.decode.columns import Block, Integers
from streams.loop.decode.rows import Faults, Messages, Reading
from streams.loop.decode.samples import Checks, Columns, Sample

_NEWLINE, _OPEN, _CLOSE, _QUOTE, _ARRAY = b'\n{}"['
_SAMPLE = msgspec.json.Decoder(Sample)
_RAW_ROWS = msgspec.json.Decoder(list[msgspec.Raw])
_SPACE = b" \t\r\n"
TOGETHER = 500
Parse = Callable[[bytes], Sample]


@dataclass(frozen=True, slots=True)
class _Row:
    index: int
    offset: int
    number: int | None
    data: bytes


def json_blocks(messages: Messages, reading: Reading) -> list[Block]:
    """Decode messages in Flyball's format, some at a time: that fits the cache, and a bad one slows few others."""
    return [
        json_block(messages.cut(start, start + TOGETHER), reading) for start in range(0, len(messages.values), TOGETHER)
    ]


def json_block(messages: Messages, reading: Reading) -> Block:
    """Decode a few messages at once if they are plain, else one by one."""
    checks, now_us = reading.checks, reading.now_us
    whole = decode_whole(messages.values, checks, now_us)
    if whole is not None:
        return whole[0].to_block(whole[1], messages.offsets)
    rows = split(messages, reading.faults)
    if len(rows) > len(messages.values):
        whole = decode_whole([row.data for row in rows], checks, now_us)
        if whole is not None:
            return whole[0].to_block(whole[1], _offsets(rows))
    return each_block(rows, parse, reading)


def mapped_block(messages: Messages, parse_row: Parse, reading: Reading) -> Block:
    """Decode messages of foreign JSON, each row by `parse_row`."""
    return each_block(split(messages, reading.faults), parse_row, reading)


def decode_whole(values: Sequence[bytes | None], checks: Checks, now_us: int) -> tuple[Columns, Integers] | None:
    """Decode messages of exactly one good sample each; None when any needs the closer look of `decode_each`.

    The messages are joined by newlines, which no JSON string can hold. All begin with `{` and end with `}`, none holds
    a newline: so every newline lies between two objects, and as many samples as messages means one sample per message.
    Without backslashes every quote opens or closes a string: exactly the expected number of them means that no member
    came twice (msgspec keeps the last one) and none was unknown.
    """
    if None in values or max(map(len, values)) > VALUE_LIMIT:  # type: ignore[arg-type]  # no None is left here
        return None
    joined = b"\n".join(values)  # type: ignore[arg-type]
    if b"\\" in joined or not _one_object_a_line(joined, len(values)):
        return None
    try:
        columns = Columns(_SAMPLE.decode_lines(joined))
        times = columns.time_us()
    except (ContractError, ValueError, OverflowError, RecursionError):
        return None
    if len(columns) != len(values) or _quotes(joined) != 2 * columns.strings():
        return None
    return (columns, times) if checks.all_fit(columns, times, now_us) else None


def _one_object_a_line(joined: bytes, count: int) -> bool:
    data = np.frombuffer(joined, dtype=np.uint8)
    if len(data) < 2 or data[0] != _OPEN or data[-1] != _CLOSE:
        return False
    ends = np.flatnonzero(data == _NEWLINE)
    return bool(len(ends) == count - 1 and (data[ends - 1] == _CLOSE).all() and (data[ends + 1] == _OPEN).all())


def _quotes(joined: bytes) -> int:
    return int(np.count_nonzero(np.frombuffer(joined, dtype=np.uint8) == _QUOTE))


def split(messages: Messages, faults: Faults) -> list[_Row]:
    """Take messages apart into rows; what is no message at all becomes a fault."""
    rows: list[_Row] = []
    for index, offset, value in zip(messages.places, messages.offsets.tolist(), messages.values, strict=True):
        try:
            parts = _parts(value)
        except ContractError as error:
            faults.add(index, error.reason, error.detail)
        else:
            single = len(parts) == 1 and parts[0] is value
            rows += [_Row(index, offset, None if single else number, part) for number, part in enumerate(parts)]
    return rows


def _parts(value: bytes | None) -> list[bytes]:
    if value is None:
        raise ContractError("null-value", "expected telemetry, got a null value")
    if len(value) > VALUE_LIMIT:
        raise ContractError("too-large", f"expected at most {VALUE_LIMIT} bytes, got {len(value)}")
    text = value.strip(_SPACE)
    if not text:
        raise ContractError("empty-message", "expected telemetry, got an empty value")
    if text[0] == _ARRAY:
        return _elements(text)
    if b"\n" in text:
        lines = [line for line in (line.strip(_SPACE) for line in text.split(b"\n")) if line]
        if all(line[0] == _OPEN and line[-1] == _CLOSE for line in lines):
            return lines
    return [value]


def _elements(text: bytes) -> list[bytes]:
    try:
        return [bytes(element) for element in _RAW_ROWS.decode(text)]
    except RecursionError as error:
        raise ContractError("nested-too-deep", "expected JSON without deep nesting") from error
    except ValueError as error:
        return _elements_with_nan(text, error)


def _elements_with_nan(text: bytes, error: ValueError) -> list[bytes]:
    """Take an array apart that is JSON but for NaN and infinity, so that its good rows can go on."""
    try:
        elements = json.loads(text)
    except (ValueError, RecursionError):
        raise ContractError("broken-json", str(error)) from error
    return [json.dumps(element).encode() for element in elements]


def each_block(rows: Sequence[_Row], parse_row: Parse, reading: Reading) -> Block:
    """Decode row by row: the meaning that `decode_whole` must agree with."""
    samples: list[Sample] = []
    good: list[_Row] = []
    for row in rows:
        try:
            sample = parse_row(row.data)
            reading.checks.sample(sample, reading.now_us)
        except ContractError as error:
            reading.faults.add(row.index, error.reason, error.detail, row.number)
        else:
            samples.append(sample)
            good.append(row)
    columns = Columns(samples)
    times = columns.time_us() if samples else np.zeros(0, dtype=np.int64)
    return columns.to_block(times, _offsets(good))


def parse(data: bytes) -> Sample:
    """Read one event in Flyball's format; raises `ContractError`."""
    try:
        sample = _SAMPLE.decode(data)
    except RecursionError as error:
        raise ContractError("nested-too-deep", "expected JSON without deep nesting") from error
    except msgspec.ValidationError as error:
        strict(data)
        raise ContractError("wrong-type", str(error)) from error
    except ValueError as error:
        strict(data)
        raise ContractError("broken-json", str(error)) from error
    if b"\\" in data or data.count(b'"') != 2 * sample.strings():
        strict(data)
    return sample


def strict(data: bytes) -> Any:
    """Read JSON and raise `ContractError` for what readers take differently: a member twice, NaN, infinity."""
    try:
        return json.loads(data, object_pairs_hook=_without_twins, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ContractError("nested-too-deep", "expected JSON without deep nesting") from error
    except ValueError as error:
        raise ContractError("broken-json", str(error)) from error


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ContractError("duplicate-key", f"expected every member once, got one twice among {list(members)[:20]}")
    return members


def _refuse_constant(name: str) -> None:
    raise ContractError("not-finite", f"expected finite numbers, got {name}")


def _offsets(rows: Sequence[_Row]) -> Integers:
    return np.array([row.offset for row in rows], dtype=np.int64)
