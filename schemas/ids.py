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
    return hashlib.blake2b(_joined(*parts), digest_size=16).hexdigest()


def seed_of(*parts: str | int) -> int:
    """Return a 64-bit seed derived from the parts."""
    return int(derive(*parts)[:16], 16)


class Mint(msgspec.Struct, kw_only=True, gc=False):
    """Ids for the outputs of one processor within one call: `n` counts the outputs of each cause."""

    loop: str
    processor: str
    counts: dict[Cause, int] = {}

    def __call__(self, cause: Cause) -> str:
        """Return the next id for this cause: what `derive` gives for loop, cause, processor and n."""
        n = self.counts.get(cause, 0)
        self.counts[cause] = n + 1
        begun = _begun(self.loop, cause.topic, cause.partition).copy()
        begun.update(_with_length(str(cause.offset)) + _ending(self.processor, n))
        return begun.hexdigest()


@lru_cache(maxsize=1024)  # the causes of a step are of few partitions
def _begun(loop: str, topic: str, partition: int) -> hashlib.blake2b:
    """Return the hash of what comes before the offset, to be copied."""
    return hashlib.blake2b(_joined(loop, topic, partition), digest_size=16)


@lru_cache(maxsize=1024)
def _ending(processor: str, n: int) -> bytes:
    """Return what comes after the offset."""
    return _joined(processor, n)


def _joined(*parts: str | int) -> bytes:
    return b"".join([_with_length(str(part)) for part in parts])


def _with_length(part: str) -> bytes:
    data = part.encode()
    return len(data).to_bytes(4, "big") + data
