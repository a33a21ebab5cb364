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


class _Begun(msgspec.Struct, gc=False):
    """The ids of one cause: the hash of all that comes before the processor, to be copied, and how many there were."""

    hash: hashlib.blake2b
    count: int = 0


class Mint(msgspec.Struct, kw_only=True, gc=False):
    """Ids for the outputs of one processor within one call, which counts the outputs of each cause."""

    loop: str
    processor: str
    begun: dict[Cause, _Begun] = {}

    def __call__(self, cause: Cause) -> str:
        """Return the next id for this cause: what `derive` gives for loop, cause, processor and count."""
        begun = self.begun.get(cause)
        if begun is None:
            begun = self.begun[cause] = _Begun(_place(self.loop, cause.topic, cause.partition).copy())
            begun.hash.update(_with_length(str(cause.offset)))
        one = begun.hash.copy()
        one.update(_ending(self.processor, begun.count))
        begun.count += 1
        digest: str = one.hexdigest()
        return digest


@lru_cache(maxsize=1_024)  # the causes of a step are of few partitions
def _place(loop: str, topic: str, partition: int) -> hashlib.blake2b:
    return hashlib.blake2b(_joined(loop, topic, partition), digest_size=16)


@lru_cache(maxsize=1_024)  # few processors, few outputs of one cause
def _ending(processor: str, count: int) -> bytes:
    return _joined(processor, count)


def _joined(*parts: str | int) -> bytes:
    return b"".join([_with_length(str(part)) for part in parts])


def _with_length(part: str) -> bytes:
    data = part.encode()
    return len(data).to_bytes(4, "big") + data
