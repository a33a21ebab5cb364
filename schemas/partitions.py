"""Which partition a key goes to: Java's murmur2, as Kafka's Java clients and librdkafka's `murmur2_random` do it."""

_MASK = 0xFFFFFFFF
_M = 0x5BD1E995


def murmur2(data: bytes) -> int:
    """Return the 32-bit MurmurHash2 of Kafka's `Utils.murmur2` (seed 0x9747b28c), unsigned."""
    length = len(data)
    h = (0x9747B28C ^ length) & _MASK
    whole = length & ~3
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i : i + 4], "little") * _M & _MASK
        k = (k ^ (k >> 24)) * _M & _MASK
        h = (h * _M & _MASK) ^ k
    if length > whole:
        h = (h ^ int.from_bytes(data[whole:], "little")) * _M & _MASK
    h = (h ^ (h >> 13)) * _M & _MASK
    return h ^ (h >> 15)


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition of a key, 0 to `partitions` - 1; the same one that single keyed messages go to."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions
