import numpy as np
import pytest

from streams.loop.packing import SIZE_BYTES, pack, packed_parts, unpack

DATA = [b"", b"a", b"same " * 1_000, np.random.default_rng(0).bytes(100_000)]


@pytest.mark.parametrize("data", DATA, ids=len)
def test_what_was_packed_comes_back(data):
    assert unpack(pack(data)) == data
    assert unpack(memoryview(pack(memoryview(data)))) == data


@pytest.mark.parametrize("data", DATA, ids=len)
def test_the_parts_are_the_whole(data):
    size, packed = packed_parts(data)
    assert len(size) == SIZE_BYTES
    assert size + bytes(packed) == pack(data)


def test_an_array_is_packed_by_its_bytes():
    array = np.arange(1_000.0).reshape(10, 100)
    assert unpack(pack(array.data)) == array.tobytes()
    assert len(pack(np.full((100, 100), np.nan, np.float32).data)) < 100
