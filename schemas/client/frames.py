"""Cutting a data frame into Arrow messages, each for one partition."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..arrow import ENTITY, TIME, normalise, to_parts
from ..errors import ContractError
from ..events import TelemetryFrame
from ..ids import derive
from ..partitions import partition_of
from ..telemetry import check_entity, check_metric
from ..wire import VALUE_LIMIT


def cut(frame: Any, *, partitions: int, rows: int) -> Iterator[TelemetryFrame]:
    """Yield messages of at most `rows` rows, in row order within each partition.

    `frame`: anything with `__arrow_c_stream__` (polars, pandas, pyarrow, ...). Raises `ContractError` before the first
    message when a row is bad, so a frame goes out whole or not at all.
    """
    table = normalise(pa.table(frame))
    _check(table)
    owners = _owners(table, partitions)
    for partition in range(partitions):
        chosen = np.flatnonzero(owners == partition)
        for start in range(0, len(chosen), rows):
            yield from _messages(table.take(pa.array(chosen[start : start + rows])), partition)


def _messages(table: pa.Table, partition: int) -> Iterator[TelemetryFrame]:
    for part, stream in to_parts(table.combine_chunks(), limit=VALUE_LIMIT):
        yield TelemetryFrame(
            id=derive("frame", partition, stream.hex()),
            time_us=part.column(TIME)[0].cast(pa.int64()).as_py(),
            partition=partition,
            stream=stream,
        )


def _check(table: pa.Table) -> None:
    for name in (ENTITY, TIME):
        if table.column(name).null_count:
            raise ContractError("wrong-type", f"expected no nulls in column {name}")
    for name in table.column_names:
        column = table.column(name)
        if pa.types.is_floating(column.type):
            check_metric(name)
            if not pc.all(pc.is_finite(column), min_count=0).as_py():
                raise ContractError(
                    "not-finite", f"expected finite numbers in {name} (null = absent), got NaN or infinity"
                )


def _owners(table: pa.Table, partitions: int) -> "np.ndarray[Any, np.dtype[np.int64]]":
    column = table.column(ENTITY).combine_chunks()
    encoded = (column.chunk(0) if isinstance(column, pa.ChunkedArray) else column).dictionary_encode()
    names = encoded.dictionary.to_pylist()
    for name in names:
        check_entity(name)
    by_name = np.array([partition_of(name.encode(), partitions) for name in names], dtype=np.int64)
    owners: np.ndarray[Any, np.dtype[np.int64]] = by_name[encoded.indices.to_numpy()]
    return owners
