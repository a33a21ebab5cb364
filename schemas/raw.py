"""Records as they lie in a log: bytes and positions, before any meaning."""

from collections.abc import Sequence

import msgspec

Headers = tuple[tuple[str, bytes | None], ...]


class RawBatch(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Records of one topic partition, in offset order; equal-length columns. `topic` is the registry name.

    `stop` is the offset after the last one folded (holes of transactions included). `written_us` is when the broker
    wrote each, 0 where that is not known; empty where nobody asks, which is everywhere but on `control`.
    """

    topic: str
    partition: int
    offsets: Sequence[int]
    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]
    headers: Sequence[Headers]
    written_us: Sequence[int] = ()

    @property
    def start(self) -> int:
        """First offset."""
        return self.offsets[0]

    @property
    def stop(self) -> int:
        """Offset behind the last one."""
        return self.offsets[-1] + 1

    def __len__(self) -> int:
        return len(self.offsets)

    def size_of(self, index: int) -> int:
        """Return how many bytes key, value and headers of one record have."""
        parts = [self.keys[index], self.values[index]]
        for name, value in self.headers[index]:
            parts += [name.encode(), value]
        return sum(len(part) for part in parts if part is not None)


class Message(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One record to write. `topic` is the registry name; without a partition the key decides."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    partition: int | None = None
