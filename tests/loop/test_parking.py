"""Waiting for causes: the same as to look through all that waits, whenever something was folded."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from schemas import wire
from schemas.events import Control, Event
from schemas.ids import Cause
from schemas.raw import RawBatch
from streams.loop.decode import make_decode
from streams.loop.parking import Parking, awaited
from streams.loop.processor import Input, Now, Record
from streams.loop.role import Role

SOURCES = [("control", 0), ("control", 1), ("outcomes", 0)]
places = st.tuples(st.sampled_from(SOURCES), st.integers(0, 6))
arrivals = st.lists(places, max_size=3)
moments = st.lists(st.one_of(arrivals, places), max_size=40)


def record(number: int, causes: list[tuple[tuple[str, int], int]]) -> Record:
    named = tuple(str(Cause(*source, offset)) for source, offset in causes)
    event = Control(
        id=str(number), time_us=0, causes=named, kind="pause", target="loop", value="running", by="somebody"
    )
    return Record(Cause("waiting", 0, number), event)


@given(moments)
def test_records_leave_when_all_their_causes_are_folded_in_the_order_in_which_they_came(
    happened: list[list[tuple[tuple[str, int], int]] | tuple[tuple[str, int], int]],
) -> None:
    parking, plain, folded = Parking(), list[Record](), {("control", 0): 0, ("control", 1): 0}
    for number, moment in enumerate(happened):
        if isinstance(moment, list):
            came = record(number, moment)
            place = awaited(came.event, folded)
            if place is not None:
                parking.park(came, place)
                plain.append(came)
        else:
            source, offset = moment
            folded[source] = max(folded.get(source, 0), offset)  # the first record of a source may be a later one
            ready = [one for one in plain if awaited(one.event, folded) is None]
            plain = [one for one in plain if awaited(one.event, folded) is not None]
            assert parking.ready(folded) == ready
        assert parking.records() == plain
        assert parking.count == len(plain)


def test_a_cause_of_a_source_that_is_not_read_is_not_waited_for() -> None:
    event = record(1, [(("outcomes", 0), 5), (("control", 0), 3)]).event
    assert awaited(event, {}) is None
    assert awaited(event, {("control", 0): 3}) == (("control", 0), 3)
    assert awaited(event, {("control", 0): 4}) is None


class Told:
    """A processor that keeps what it was given."""

    name = "told"

    def __init__(self) -> None:
        self.ids: list[str] = []

    def on_batch(self, inputs: Sequence[Input], _now: Now) -> list[Event]:
        self.ids += [one.event.id for one in inputs if isinstance(one, Record)]
        return []

    def on_time(self, _now: Now) -> list[Event]:
        return []

    def next_time(self) -> int | None:
        return None

    def snapshot(self) -> bytes:
        return b""

    def restore(self, _snapshot: bytes) -> None:
        """Keep nothing."""


def role_of(told: Told) -> Role:
    return Role(name="lab", loop="lab", processors=[told], decode=make_decode())


def batch(partition: int, offset: int, event: Event) -> RawBatch:
    one = wire.encode(event, loop="lab")
    return RawBatch(
        topic="control",
        partition=partition,
        offsets=[offset],
        keys=[one.key],
        values=[one.value],
        headers=[one.headers],
    )


def test_a_role_whose_missing_cause_was_skipped_goes_on_alike_from_its_snapshot() -> None:
    told, told_again = Told(), Told()
    role, again, now = role_of(told), role_of(told_again), Now(1, 1)
    role.fold([batch(0, 0, record(0, []).event), batch(1, 0, record(1, [(("control", 0), 1)]).event)], now)
    assert told.ids == ["0"]
    role.skip_to("control", 0, 5)
    again.restore(role.snapshot())
    assert again.snapshot() == role.snapshot()
    for one in (role, again):
        one.fold([batch(1, 1, record(2, []).event)], now)
    assert told.ids == ["0", "2", "1"]
    assert told_again.ids == ["2", "1"]
    assert again.snapshot() == role.snapshot()
