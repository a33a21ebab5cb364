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
    return _hash([_with_length(str(part)) for part in parts])


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
        part = _short_part
        return _hash(
            [
                part(self.loop),
                part(cause.topic),
                part(cause.partition),
                part(cause.offset),
                part(self.processor),
                part(n),
            ]
        )


def _hash(parts: list[bytes]) -> str:
    return hashlib.blake2b(b"".join(parts), digest_size=16).hexdigest()


def _with_length(part: str) -> bytes:
    data = part.encode()
    return len(data).to_bytes(4, "big") + data


@lru_cache(maxsize=4096)  # names and positions come again with every output of a step
def _short_part(part: str | int) -> bytes:
    return _with_length(str(part))
