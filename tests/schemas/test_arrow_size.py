"""A small Arrow message that stands for a large table is told from its headers, before anything is allocated."""

import numpy as np
import pyarrow as pa
import pytest

from schemas.arrow import from_stream, normalise
from schemas.arrow_size import EXPANDED_LIMIT, ROWS_LIMIT, check_size
from schemas.errors import ContractError


def stream(*batches: pa.RecordBatch, compression: str | None = None) -> bytes:
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(sink, batches[0].schema, options=options) as writer:
        for batch in batches:
            writer.write(batch)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def zeros(rows: int) -> pa.RecordBatch:
    return pa.record_batch({"entity": pa.array(["e"] * rows), "time": np.arange(rows), "load": np.zeros(rows)})


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_an_ordinary_stream_is_read(compression: str | None) -> None:
    data = stream(zeros(1_000), zeros(10), compression=compression)
    assert from_stream(data).num_rows == 1_010


def test_a_dictionary_is_read() -> None:
    batch = pa.record_batch({"entity": pa.array(["e"] * 100).dictionary_encode(), "time": np.arange(100)})
    for compression in (None, "zstd"):
        assert normalise(from_stream(stream(batch, compression=compression))).num_rows == 100


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_compressed_zeros_are_refused_unread(compression: str) -> None:
    wide = pa.record_batch({f"m{number}": np.zeros(150_000) for number in range(40)})
    data = stream(wide, compression=compression)
    assert len(data) < 400_000 < EXPANDED_LIMIT < wide.nbytes
    with pytest.raises(ContractError, match="bytes uncompressed"):
        check_size(data)


@pytest.mark.parametrize("batches", [1, 4])
def test_rows_that_take_no_bytes_are_counted(batches: int) -> None:
    rows = ROWS_LIMIT // batches + 1
    empty = pa.record_batch([pa.nulls(rows), pa.nulls(rows)], names=["entity", "time"])
    data = stream(*[empty] * batches)
    assert len(data) < 2_000
    with pytest.raises(ContractError, match="rows in a message"):
        from_stream(data)


def test_a_long_text_is_not_repeated_for_every_row() -> None:
    names = pa.DictionaryArray.from_arrays(pa.array(np.zeros(100_000, np.int8)), ["x" * 100_000])
    batch = pa.record_batch({"entity": names, "time": np.arange(100_000)})
    with pytest.raises(ContractError, match="bytes of text"):
        from_stream(stream(batch))
    short = pa.DictionaryArray.from_arrays(pa.array(np.zeros(100_000, np.int8)), ["x" * 100])
    assert from_stream(stream(pa.record_batch({"entity": short}))).num_rows == 100_000


def refusal_of(data: bytes) -> str | None:
    try:
        check_size(data)
    except ContractError as error:
        return error.reason
    return None


def test_damaged_headers_raise_contract_errors_only() -> None:
    data = stream(zeros(3), compression="lz4")
    damaged = [data[:at] + bytes([value]) + data[at + 1 :] for at in range(len(data)) for value in (0x00, 0x7F, 0xFF)]
    reasons = {refusal_of(each) for each in (*damaged, *(data[:at] for at in range(len(data))))}
    assert reasons == {None, "broken-arrow", "too-large"}
