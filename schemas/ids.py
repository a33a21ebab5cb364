"""Deterministic ids: an output's id is the hash of its cause, so a re-run of a step writes the same ids."""

import hashlib
from functools import lru_cache

import msgspec


class Cause(msgspec.Struct, frozen=True, order=True, gc=False):
    """Where an output came from: a source position, or a timer (topic `timer:KEY`, offset its due time in us)."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"

    @classmethod
    def parse(cls, text: str) -> "Cause":
        """Read what `str()` wrote; raises `ValueError` when the text is not `topic/partition/offset`."""
        return cls(*split_cause(text))


@lru_cache(maxsize=4096)  # whoever reads an event asks several times
def split_cause(text: str) -> tuple[str, int, int]:
    """Return topic, partition and offset of a cause that was written as text, without making a `Cause` of it."""
    topic, partition, offset = text.rsplit("/", 2)
    return topic, int(partition), int(offset)


def derive(*parts: str | int) -> str:
    """Return 32 hex digits (128 bits of BLAKE2b) over the parts; equal parts give equal ids on every machine."""
    data = b"".join([len(part).to_bytes(4, "big") + part for part in map(str.encode, map(str, parts))])
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def seed_of(*parts: str | int) -> int:
    """Return a 64-bit seed derived from the parts."""
    return int(derive(*parts)[:16], 16)


class Mint:
    """Ids for the outputs of one processor within one call: `n` counts the outputs of each cause."""

    def __init__(self, *, loop: str, processor: str) -> None:
        self._loop = loop
        self._processor = processor
        self._counts: dict[Cause, int] = {}

    def __call__(self, cause: Cause) -> str:
        """Return the next id for this cause."""
        n = self._counts.get(cause, 0)
        self._counts[cause] = n + 1
        return derive(self._loop, cause.topic, cause.partition, cause.offset, self._processor, n)
