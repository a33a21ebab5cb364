"""The checksum of what a step read: nothing of it may change unseen."""

from itertools import combinations

from schemas.raw import Headers, RawBatch
from streams.loop.step import checksum_of

Record = tuple[bytes | None, bytes | None, Headers]
TYPED: Headers = (("ce_type", b"x"), ("ce_id", b"1"))

LOOK_ALIKE: list[list[Record]] = [
    [(b"k", b"ab", ()), (b"k", b"c", ())],
    [(b"k", b"a", ()), (b"k", b"bc", ())],  # a byte moved to the next value
    [(b"ka", b"b", ()), (b"k", b"c", ())],
    [(b"", b"ab", ()), (b"kk", b"c", ())],  # a byte moved to the next key
    [(None, b"ab", ()), (b"kk", b"c", ())],  # none is not empty
    [(b"k", b"ab", ()), (b"k", b"c", ()), (b"", b"", ())],
    [(b"k", b"ab", ()), (b"k", b"c", ()), (None, None, ())],
    [(b"k", b"ab", TYPED), (b"k", b"c", ())],
    [(b"k", b"ab", ()), (b"k", b"c", TYPED)],  # of another record
    [(b"k", b"ab", TYPED[:1]), (b"k", b"c", TYPED[1:])],
    [(b"k", b"ab", (("ce_type", b"y"), TYPED[1])), (b"k", b"c", ())],
    [(b"k", b"ab", (("ce_type", b""), TYPED[1])), (b"k", b"c", ())],
    [(b"k", b"ab", (("ce_type", None), TYPED[1])), (b"k", b"c", ())],
    [(b"k", b"ab", (("ce_typ", b"ex"), TYPED[1])), (b"k", b"c", ())],
]


def batch(records: list[Record]) -> RawBatch:
    keys, values, headers = zip(*records, strict=True)
    return RawBatch(
        topic="telemetry", partition=0, offsets=range(len(records)), keys=keys, values=values, headers=headers
    )


def test_no_two_inputs_that_look_alike_have_one_checksum() -> None:
    for one, other in combinations(LOOK_ALIKE, 2):
        assert checksum_of([batch(one)]) != checksum_of([batch(other)])


def test_equal_inputs_have_one_checksum_whatever_holds_them() -> None:
    for records in LOOK_ALIKE:
        raw = batch(records)
        listed = RawBatch(
            topic="telemetry",
            partition=0,
            offsets=list(raw.offsets),
            keys=list(raw.keys),
            values=list(raw.values),
            headers=list(raw.headers),
        )
        assert checksum_of([raw]) == checksum_of([listed])
