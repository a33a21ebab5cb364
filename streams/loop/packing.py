"""Bytes made smaller: what a snapshot is made of."""

import pyarrow as pa

_CODEC = "zstd"
_LEVEL = -3
"""Twice as fast as zstd's own choice, and hardly larger: most of a state is the last bits of numbers."""
SIZE_BYTES = 8


def pack(data: bytes | memoryview) -> bytes:
    """Return data compressed, with its size before it; equal data give equal bytes."""
    return b"".join(packed_parts(data))


def packed_parts(data: bytes | memoryview) -> tuple[bytes, memoryview]:
    """Return what `pack` does in its two parts, which for a large state saves a copy."""
    packed = pa.Codec(_CODEC, compression_level=_LEVEL).compress(data)
    # the view of pyarrow's buffer is as long as what it had room for
    return memoryview(data).nbytes.to_bytes(SIZE_BYTES, "big"), memoryview(packed)[: packed.size]


def unpack(packed: bytes | memoryview) -> bytes:
    """Return what was packed."""
    size = int.from_bytes(packed[:SIZE_BYTES], "big")
    data: bytes = pa.decompress(packed[SIZE_BYTES:], decompressed_size=size, codec=_CODEC, asbytes=True)
    return data
