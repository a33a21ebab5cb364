"""Arrow telemetry: whole messages into columns, bad rows apart."""

from collections.abc import Callable, Iterable, Sequence
from itertools import compress
from typing import TypeVar, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.arrow import ENTITY, EVENT, GROUP, TIME, TIME_TYPE, from_stream, normalise
from schemas.errors import ContractError
from schemas.telemetry import METRICS_LIMIT, TEXT_LIMIT
from schemas.wire import VALUE_LIMIT
from streams.loop.decode.columns import Block, Floats, Integers
from streams.loop.decode.rows import Messages, Reading
from streams.loop.decode.samples import Checks
from streams.loop.telemetry import Coded

_NOT_METRICS = (ENTITY, TIME, EVENT, GROUP)
_MISSING = ("wrong-type", "expected an entity and a time, got null")
_EMPTY = ("empty-sample", "expected at least one value or an event")
Mask = npt.NDArray[np.bool_]
Found = dict[int, tuple[str, str]]
_Read = tuple[int, int, pa.Table]
_Name = TypeVar("_Name", str, int)


def arrow_blocks(messages: Messages, reading: Reading) -> list[Block]:
    """Decode messages; neighbours with the same columns become one block."""
    runs: list[list[_Read]] = []
    for value, index, offset in zip(messages.values, messages.places, messages.offsets.tolist(), strict=True):
        try:
            table = read(value, reading.checks, runs[-1][-1][2].schema if runs else None)
        except ContractError as error:
            reading.faults.add(index, error.reason, error.detail)
            continue
        if not runs or not runs[-1][-1][2].schema.equals(table.schema):
            runs.append([])
        runs[-1].append((index, offset, table))
    return [_block(run, reading) for run in runs]


def read(value: bytes | None, checks: Checks, known: pa.Schema | None = None) -> pa.Table:
    """Return one message as a table with the contract's column types, among them `known`; raises `ContractError`."""
    if value is None:
        raise ContractError("null-value", "expected telemetry, got a null value")
    if len(value) > VALUE_LIMIT:
        raise ContractError("too-large", f"expected at most {VALUE_LIMIT} bytes, got {len(value)}")
    try:
        table = from_stream(value)
        if known is not None and table.schema.equals(known):
            return table
        if not _is_normal(table.schema):
            table = normalise(table)
        names = table.column_names
    except (pa.ArrowException, ValueError, OverflowError) as error:  # such as names and zones that are no text
        raise ContractError("broken-arrow", f"expected an Arrow IPC stream, got {str(error)[:200]}") from error
    metrics = [name for name in names if name not in _NOT_METRICS]
    if len(metrics) > METRICS_LIMIT:
        raise ContractError("too-many-metrics", f"expected at most {METRICS_LIMIT}, got {len(metrics)}")
    for name in metrics:
        checks.metric(name)
    return table


def _is_normal(schema: pa.Schema) -> bool:
    names = schema.names
    if len(set(names)) < len(names) or ENTITY not in names or TIME not in names:
        return False
    wanted = {ENTITY: pa.string(), TIME: TIME_TYPE, EVENT: pa.string(), GROUP: pa.string()}
    return all(field.type == wanted.get(field.name, pa.float64()) for field in schema)


def _block(run: list[_Read], reading: Reading) -> Block:
    sizes = [table.num_rows for _, _, table in run]
    offsets = np.repeat(np.array([offset for _, offset, _ in run], dtype=np.int64), sizes)
    rows = _Rows(pa.concat_tables([table for _, _, table in run]))
    found = rows.faults(reading.checks, reading.now_us)
    starts = np.cumsum([0, *sizes])
    for row, (reason, detail) in sorted(found.items()):
        message = int(np.searchsorted(starts, row, side="right")) - 1
        reading.faults.add(run[message][0], reason, detail, row - int(starts[message]))
    good = np.ones(len(offsets), dtype=np.bool_)
    good[list(found)] = False
    return rows.to_block(offsets, good)


class _Rows:
    """The columns of a normal table: texts with None and numbers with NaN where nothing was."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self._names, self._codes = _coded(table, ENTITY)
        self._events, self._groups = _texts(table, EVENT), _texts(table, GROUP)
        self._times: Integers = table.column(TIME).cast(pa.int64()).fill_null(0).to_numpy()
        self._metrics: dict[str, Floats] = {
            name: table.column(name).to_numpy() for name in table.column_names if name not in _NOT_METRICS
        }

    def faults(self, checks: Checks, now_us: int) -> Found:
        """Return reason and detail of every bad row; the first fault of a row counts."""
        found: Found = {}
        if self._table.num_rows:
            self._check_names(found, checks)
            if not checks.times_fit(self._times, now_us):
                for row, time_us in enumerate(self._times.tolist()):
                    _note(found, _fault(lambda time: checks.time(time, now_us), time_us), (row,))
            self._check_numbers(found)
            self._check_texts(found)
        return found

    def to_block(self, offsets: Integers, good: Mask) -> Block:
        """Return the good rows; a metric that none of them has is left out."""
        everything = bool(good.all())
        events = self._events if everything else list(compress(self._events, good))
        groups = self._groups if everything else list(compress(self._groups, good))
        metrics = {name: column if everything else column[good] for name, column in self._metrics.items()}
        return Block(
            offsets=offsets[good],
            entities=self._entities(good, everything=everything),
            time_us=self._times[good],
            metrics={name: column for name, column in metrics.items() if not np.isnan(column).all()},
            tokens={row: event for row, event in enumerate(events) if event is not None},
            groups={row: group for row, group in enumerate(groups) if group is not None},
        )

    def _entities(self, good: Mask, *, everything: bool) -> Sequence[str]:
        """Return the entities of good rows; those that only bad rows name must not be among the names."""
        names = cast("list[str]", self._names)  # a row without an entity is a bad one
        return Coded(names, self._codes) if everything else [names[code] for code in self._codes[good].tolist()]

    def _check_names(self, found: Found, checks: Checks) -> None:
        for name in checks.unknown(self._names):
            fault = _MISSING if name is None else _fault(checks.entity, name)
            if fault is not None:
                _note(found, fault, np.flatnonzero(self._codes == self._names.index(name)).tolist())
        times = self._table.column(TIME)
        if times.null_count:
            _note(found, _MISSING, np.flatnonzero(times.is_null().to_numpy()).tolist())

    def _check_numbers(self, found: Found) -> None:
        absent = np.ones(self._table.num_rows, dtype=np.bool_)
        for name, column in self._metrics.items():
            odd = ~np.isfinite(column)
            absent &= odd
            if int(odd.sum()) > self._table.column(name).null_count:
                odd &= self._table.column(name).is_valid().to_numpy()
                detail = f"expected a finite number or null in {name[:40]}, got NaN or infinity"
                _note(found, ("not-finite", detail), np.flatnonzero(odd).tolist())
        empty = np.flatnonzero(absent).tolist()
        _note(found, _EMPTY, (row for row in empty if not self._events or self._events[row] is None))

    def _check_texts(self, found: Found) -> None:
        events = [row for row, text in enumerate(self._events) if text is not None and not 0 < len(text) <= TEXT_LIMIT]
        _note(found, ("bad-event", f"expected 1 to {TEXT_LIMIT} characters"), events)
        groups = [row for row, text in enumerate(self._groups) if text is not None and len(text) > TEXT_LIMIT]
        _note(found, ("bad-attributes", f"expected at most {TEXT_LIMIT} characters"), groups)


def _texts(table: pa.Table, name: str) -> list[str | None]:
    """Return a text column; each different text is made once."""
    if name not in table.column_names:
        return []
    names, codes = _coded(table, name)
    picked: list[str | None] = np.array([*names, None], dtype=object)[codes].tolist()
    return picked


def _coded(table: pa.Table, name: str) -> tuple[list[str | None], Integers]:
    """Return the different texts of a column, in order of first appearance, and which one each row has.

    None comes last, if any row has none.
    """
    column = table.column(name).combine_chunks()
    array = pa.concat_arrays(column.chunks) if isinstance(column, pa.ChunkedArray) else column
    encoded = array.dictionary_encode()
    names: list[str | None] = encoded.dictionary.to_pylist()
    indices = encoded.indices
    if indices.null_count:
        indices = indices.fill_null(len(names))
        names.append(None)
    return names, indices.to_numpy(zero_copy_only=False).astype(np.int64)


def _fault(check: Callable[[_Name], None], value: _Name) -> tuple[str, str] | None:
    try:
        check(value)
    except ContractError as error:
        return error.reason, error.detail
    return None


def _note(found: Found, fault: tuple[str, str] | None, rows: Iterable[int]) -> None:
    if fault is not None:
        for row in rows:
            found.setdefault(row, fault)
