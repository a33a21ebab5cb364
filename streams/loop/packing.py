"""Bytes made smaller: what a snapshot is made of."""

from typing import Any

import msgspec
import pyarrow as pa

Bytes = bytes | bytearray
_ENCODER = msgspec.msgpack.Encoder()
_MARGIN_BYTES = 65_536
_CODEC = "zstd"
_LEVEL = -3
"""Twice as fast as zstd's own choice, and hardly larger: most of a state is the last bits of numbers."""
SIZE_BYTES = 8


def encoded(state: Any, *, size: int) -> bytearray:
    """Return a state as MessagePack. `size` is that of its large parts: a buffer that grows is copied every time."""
    buffer = bytearray(size + _MARGIN_BYTES)
    _ENCODER.encode_into(state, buffer)
    return buffer


def pack(data: bytes | memoryview) -> bytes:
    """Return data compressed, with its size before it; equal data give equal bytes."""
    return b"".join(packed_parts(data))


def packed_parts(data: Bytes | memoryview) -> tuple[bytes, memoryview]:
    """Return what `pack` does in its two parts, which for a large state saves a copy."""
    # from the heap that the process keeps: pyarrow's own pool would ask the kernel for fresh pages every time
    packed = pa.Codec(_CODEC, compression_level=_LEVEL).compress(data, memory_pool=pa.system_memory_pool())
    # the view of pyarrow's buffer is as long as what it had room for
    return memoryview(data).nbytes.to_bytes(SIZE_BYTES, "big"), memoryview(packed)[: packed.size]


def unpack(packed: bytes | memoryview) -> bytes:
    """Return what was packed."""
    size = int.from_bytes(packed[:SIZE_BYTES], "big")
    data: bytes = pa.decompress(packed[SIZE_BYTES:], decompressed_size=size, codec=_CODEC, asbytes=True)
    return data


def unpacked(packed: memoryview, size: int) -> memoryview:
    """Return what was packed, from the second part alone and its size in bytes."""
    return memoryview(pa.decompress(packed, decompressed_size=size, codec=_CODEC))
