"""Telemetry as Arrow IPC streams: `entity`, `time` (timestamp[us, UTC]), one float64 column per metric, null = absent.

Optional text columns: `event` and `group`.
"""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from .arrow_size import EXPANDED_LIMIT, check_size
from .errors import ContractError

ENTITY, TIME, EVENT, GROUP = "entity", "time", "event", "group"
TIME_TYPE = pa.timestamp("us", tz="UTC")
TEXT_COLUMNS = (EVENT, GROUP)


def to_stream(table: "pa.Table | pa.RecordBatch") -> bytes:
    """Return the bytes of an Arrow IPC stream; equal tables give equal bytes."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write(table)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def to_parts(table: pa.Table, *, limit: int) -> Iterator[tuple[pa.Table, bytes]]:
    """Yield the table as streams of at most `limit` bytes, halved as often as that needs; raises `ContractError`."""
    stream = to_stream(table)
    if len(stream) <= limit:
        yield table, stream
        return
    if table.num_rows < 2:
        raise ContractError("too-large", f"expected at most {limit} bytes per row, got {len(stream)}")
    half = table.num_rows // 2
    yield from to_parts(table.slice(0, half), limit=limit)
    yield from to_parts(table.slice(half), limit=limit)


def from_stream(data: bytes) -> pa.Table:
    """Read an Arrow IPC stream; raises `ContractError` when it is none, too large, or its parts do not fit together."""
    check_size(data)
    try:
        with pa.ipc.open_stream(data) as reader:
            table = reader.read_all()
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError) as error:
        raise ContractError("broken-arrow", f"expected an Arrow IPC stream, got {str(error)[:200]}") from error
    for column in table.columns:
        _check_dictionary(column)
    return table


def _check_dictionary(column: pa.ChunkedArray) -> None:
    """Raise `ContractError` when the texts of a dictionary, repeated for every row, would be too large."""
    if not pa.types.is_dictionary(column.type):
        return
    if max(map(_longest, column.chunks), default=0) * len(column) > EXPANDED_LIMIT:
        raise ContractError("too-large", f"expected at most {EXPANDED_LIMIT} bytes of text in a column")


def _longest(chunk: pa.DictionaryArray) -> int:
    """Return the length of the longest text in bytes; 0 for what is no text and will be refused for that."""
    try:
        return int(pc.max(pc.binary_length(chunk.dictionary.cast(pa.string()))).as_py() or 0)
    except pa.ArrowException:
        return 0


def normalise(table: pa.Table) -> pa.Table:
    """Return a foreign table with the column types of this module, `entity` and `time` first, metrics sorted.

    Raises `ContractError` when a column is missing or is neither number nor text.
    """
    for name in (ENTITY, TIME):
        if name not in table.column_names:
            raise ContractError("wrong-type", f"expected a column {name}, got {table.column_names[:20]}")
    if len(set(table.column_names)) < table.num_columns:
        raise ContractError("duplicate-key", "expected every column once, got a name twice")
    columns = {ENTITY: _cast(table, ENTITY, pa.string()), TIME: _time(table)}
    for name in sorted(set(table.column_names) - {ENTITY, TIME}):
        kind = table.schema.field(name).type
        if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
            columns[name] = _cast(table, name, pa.float64())
        elif name in TEXT_COLUMNS:
            columns[name] = _cast(table, name, pa.string())
        else:
            raise ContractError("wrong-type", f"expected numbers in column {name}, got {kind}")
    return pa.table(columns)


def _time(table: pa.Table) -> pa.ChunkedArray:
    kind = table.schema.field(TIME).type
    if pa.types.is_timestamp(kind) and kind.tz is None:
        raise ContractError("bad-time", "expected a time column with a time zone (or integer microseconds)")
    if not (pa.types.is_timestamp(kind) or pa.types.is_integer(kind)):
        raise ContractError("bad-time", f"expected timestamps or integer microseconds, got {kind}")
    return _cast(table, TIME, TIME_TYPE)


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column without dictionaries, over text types that pyarrow can compute with."""
    if not pa.types.is_dictionary(column.type):
        return column
    chunks = [chunk.dictionary.cast(pa.string()).take(chunk.indices) for chunk in column.chunks]
    return pa.chunked_array(chunks, pa.string())


def _cast(table: pa.Table, name: str, kind: pa.DataType) -> pa.ChunkedArray:
    try:
        return _plain(table.column(name)).cast(kind, safe=False)
    except (pa.ArrowException, ValueError) as error:
        raise ContractError("wrong-type", f"expected {kind} in column {name}, got {error}") from error
