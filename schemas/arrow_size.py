"""How large an Arrow IPC stream becomes when it is read, told from its headers: nothing is read or allocated for it.

A few hundred bytes can stand for gigabytes (compressed zeros, columns of type null), which would end the reader. The
layout is Arrow's "encapsulated message format" (https://arrow.apache.org/docs/format/Columnar.html); the headers are
flatbuffers, of which only the few fields that count are looked at.
"""

import struct
from collections.abc import Iterator

from .errors import ContractError

ROWS_LIMIT = 200_000
"""Most rows of one message, dictionaries included."""
EXPANDED_LIMIT = 32 * 1_048_576
"""Most bytes that the compressed buffers of one message may become."""
_CONTINUATION = 0xFFFFFFFF
_DICTIONARY_BATCH, _RECORD_BATCH = 2, 3
_HEADER_TYPE, _HEADER, _BODY_LENGTH = 1, 2, 3
_LENGTH, _BUFFERS, _COMPRESSION = 0, 2, 3
_DICTIONARY_DATA = 1


def check_size(data: bytes) -> None:
    """Raise `ContractError` when a stream stands for more than a reader should hold, or its headers make no sense."""
    rows = expanded = 0
    try:
        for batch_rows, batch_bytes in _sizes(data):
            rows, expanded = rows + batch_rows, expanded + batch_bytes
    except (struct.error, OverflowError) as error:
        raise ContractError("broken-arrow", "expected an Arrow IPC stream, got headers that make no sense") from error
    if rows > ROWS_LIMIT:
        raise ContractError("too-large", f"expected at most {ROWS_LIMIT} rows in a message, got {rows}")
    if expanded > EXPANDED_LIMIT:
        raise ContractError("too-large", f"expected at most {EXPANDED_LIMIT} bytes uncompressed, got {expanded}")


def _sizes(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield, for each batch of a stream, its rows and what its compressed buffers become, in bytes."""
    at = 0
    while at + 8 <= len(data):
        (size,) = struct.unpack_from("<I", data, at)
        at += 4
        if size == _CONTINUATION:
            (size,) = struct.unpack_from("<I", data, at)
            at += 4
        if size == 0:  # the end of the stream
            return
        message, body = at + struct.unpack_from("<I", data, at)[0], at + size
        kind = _scalar(data, message, _HEADER_TYPE, "<B")
        if kind in (_DICTIONARY_BATCH, _RECORD_BATCH):
            batch = _table(data, message, _HEADER)
            batch = _table(data, batch, _DICTIONARY_DATA) if kind == _DICTIONARY_BATCH else batch
            yield max(0, _scalar(data, batch, _LENGTH, "<q")), _expanded(data, batch, body)
        at = body + max(0, _scalar(data, message, _BODY_LENGTH, "<q"))


def _expanded(data: bytes, batch: int, body: int) -> int:
    if _field(data, batch, _COMPRESSION) is None:
        return 0
    buffers = _table(data, batch, _BUFFERS)
    (count,) = struct.unpack_from("<I", data, buffers)
    expanded = 0
    for number in range(count):
        offset, length = struct.unpack_from("<qq", data, buffers + 4 + 16 * number)
        if length:  # a compressed buffer begins with the length that it has without compression (-1: it is plain)
            expanded += max(0, struct.unpack_from("<q", data, body + offset)[0])
    return expanded


def _field(data: bytes, table: int, number: int) -> int | None:
    """Return where a field of a flatbuffer table lies, None when it is not there."""
    vtable = table - struct.unpack_from("<i", data, table)[0]
    slot = 4 + 2 * number
    if vtable < 0 or slot + 2 > struct.unpack_from("<H", data, vtable)[0]:
        return None
    (offset,) = struct.unpack_from("<H", data, vtable + slot)
    return table + offset if offset else None


def _scalar(data: bytes, table: int, number: int, form: str) -> int:
    at = _field(data, table, number)
    return 0 if at is None else int(struct.unpack_from(form, data, at)[0])


def _table(data: bytes, table: int, number: int) -> int:
    """Return where the table or vector that a field points at begins."""
    at = _field(data, table, number)
    if at is None:
        raise ContractError("broken-arrow", "expected an Arrow IPC stream, got a header without content")
    return at + int(struct.unpack_from("<I", data, at)[0])
