"""People are told over restarts: nothing twice, and nothing that is over."""

import threading
from collections.abc import Container, Iterator
from pathlib import Path

import msgspec

from connectors.notify.notices import HOUR_US, Notice, Notices, Told
from schemas import wire
from schemas.events import Verdict
from schemas.signing import Audience
from streams.operate.notifying import AGAIN_US, WAITING_MAX, Place, Waiting, tell_people
from streams.operate.topic_reader import StoredRecord
from tests.connectors.test_notify import DAY_US, WINDOW_US, left, unasked, verdict
from tests.loop.gate_bench import START, proposal

HERE = Audience(cluster="c1", loop="lab")


class Log:
    """The topic `verdicts`, as a reader gives it: to its end, and then the test stops whoever follows."""

    def __init__(self, *events: Verdict) -> None:
        self.events = list(events)
        self.stop = threading.Event()

    def offsets_at(self, topics: tuple[str, ...], time_us: int) -> dict[tuple[str, int], int]:
        assert topics == ("verdicts",)
        later = [number for number, event in enumerate(self.events) if event.time_us >= time_us]
        return {("verdicts", 0): later[0] if later else len(self.events)}

    def records(
        self, topics: list[str], *, start: dict[tuple[str, int], int], follow: bool
    ) -> Iterator[StoredRecord | None]:
        assert (topics, follow) == (["verdicts"], True)
        for offset in range(start["verdicts", 0], len(self.events)):
            message = wire.encode(self.events[offset], loop="lab")
            yield StoredRecord(
                topic="verdicts",
                partition=0,
                offset=offset,
                key=message.key,
                value=message.value,
                headers=message.headers,
                timestamp_us=self.events[offset].time_us,
            )
        yield None
        self.stop.set()
        yield None


def told(
    log: Log,
    folder: Path,
    *,
    us: int = START,
    audience: Audience = HERE,
    hourly: int = 100,
    lost: Container[str] = (),
) -> list[str]:
    """Run to the end of the log; return which messages were sent to people. Those that are `lost` do not arrive."""
    log.stop.clear()
    sent: list[Notice] = []

    def send(notice: Notice) -> bool:
        sent.append(notice)
        return notice.id not in lost

    tell_people(
        log,  # type: ignore[arg-type]
        Notices(loop="lab", hourly=hourly),
        send,
        audience=audience,
        place_file=folder / "notify" / "place.json",
        window_us=WINDOW_US,
        clock_us=lambda: us,
        stop=log.stop,
    )
    return [notice.id for notice in sent]


def at(us: int, name: str) -> Verdict:
    return msgspec.structs.replace(verdict(proposal(name)), time_us=us)


def test_a_restart_tells_what_came_since_and_nothing_twice(tmp_path: Path) -> None:
    log = Log(at(START, "p1"), at(START, "p2"))
    assert told(log, tmp_path) == ["v-p1", "v-p2"]
    assert told(log, tmp_path) == []
    log.events.append(at(START + 1, "p3"))
    assert told(log, tmp_path) == ["v-p3"]


def test_at_the_first_start_what_is_open_is_told_and_what_is_over_is_not(tmp_path: Path) -> None:
    log = Log(at(START, "p1"), at(START + WINDOW_US, "p2"))
    assert told(log, tmp_path, us=START + WINDOW_US) == ["v-p2"]


def test_a_place_of_another_cluster_or_a_broken_file_is_none(tmp_path: Path) -> None:
    log = Log(at(START, "p1"))
    assert told(log, tmp_path) == ["v-p1"]
    assert told(log, tmp_path, audience=Audience(cluster="c2", loop="lab")) == ["v-p1"]
    (tmp_path / "notify" / "place.json").write_text("{")
    assert told(log, tmp_path) == ["v-p1"]
    told_of = Told(until_us={"p1": START + WINDOW_US}, told_us=[START])
    place = Place.load(tmp_path / "notify" / "place.json", HERE)
    assert place == Place(cluster="c1", loop="lab", next_offset=1, told=told_of)


def again(us: int, name: str) -> Verdict:
    """Return what the gate says when the first of two people approved: the escalation ends when it would have."""
    return msgspec.structs.replace(at(us, name), id=f"again-{name}", approval="yes", approvals=("yes",))


def test_what_one_of_two_people_approved_is_not_told_again_after_a_restart(tmp_path: Path) -> None:
    log = Log(at(START, "p1"))
    assert told(log, tmp_path) == ["v-p1"]
    log.events.append(again(START + 1, "p1"))
    assert told(log, tmp_path, us=START + 1) == []
    log.events.append(msgspec.structs.replace(at(START + 2, "p1"), id="withdrawn"))
    assert told(log, tmp_path, us=START + 2) == []


def test_at_the_first_start_what_is_over_is_not_told_because_of_what_was_said_later(tmp_path: Path) -> None:
    log = Log(at(START, "p1"), again(START + WINDOW_US - 1, "p1"))
    assert told(log, tmp_path, us=START + 2 * WINDOW_US - 2) == []


def test_a_restart_allows_no_more_messages_in_an_hour(tmp_path: Path) -> None:
    log = Log()
    for number in range(5):
        log.events.append(at(START, f"p{number}"))
        found = told(log, tmp_path, hourly=2)
        assert found == ([f"v-p{number}"] if number < 2 else ["v-p2-enough"] if number == 2 else [])


def test_an_entity_that_is_left_to_people_is_told_once_over_restarts(tmp_path: Path) -> None:
    log = Log(left("p1"))
    assert len(told(log, tmp_path)) == 1
    log.events.append(left("p2", us=START + 1))
    assert told(log, tmp_path) == []
    log.events.append(left("p3", us=START + DAY_US))
    assert len(told(log, tmp_path, us=START + DAY_US)) == 1


def waiting(folder: Path) -> list[str]:
    place = Place.load(folder / "notify" / "place.json", HERE)
    return [] if place is None else [notice.id for notice in place.waiting]


def test_what_did_not_arrive_is_sent_again_over_restarts_until_it_is_over(tmp_path: Path) -> None:
    log = Log(at(START, "p1"))
    assert told(log, tmp_path, lost=["v-p1"]) == ["v-p1"]
    assert told(log, tmp_path, us=START + 1, lost=["v-p1"]) == ["v-p1"]
    assert told(log, tmp_path, us=START + WINDOW_US - 1) == ["v-p1"]
    assert told(log, tmp_path, us=START + WINDOW_US - 1) == []

    log.events.append(at(START + WINDOW_US, "p2"))
    assert told(log, tmp_path, us=START + WINDOW_US, lost=["v-p2"]) == ["v-p2"]
    assert waiting(tmp_path) == ["v-p2"]
    assert told(log, tmp_path, us=START + 2 * WINDOW_US) == []
    assert waiting(tmp_path) == []


def test_a_question_that_was_answered_meanwhile_is_not_sent_again(tmp_path: Path) -> None:
    log = Log(at(START, "p1"), at(START, "p2"))
    assert told(log, tmp_path, lost=["v-p1", "v-p2"]) == ["v-p1"]
    assert waiting(tmp_path) == ["v-p1", "v-p2"]
    log.events.append(msgspec.structs.replace(at(START + 1, "p1"), id="answered", verdict="allow"))
    assert told(log, tmp_path, us=START + 1) == ["v-p2"]


def test_one_that_never_arrives_does_not_keep_others_back_and_is_counted_in_the_next() -> None:
    sent: list[str] = []
    lost: list[None] = []

    def send(notice: Notice) -> bool:
        sent.append(notice.id)
        return notice.id != "bad"

    queue = Waiting(send, lose=lambda: lost.append(None), stop=threading.Event())
    queue.add(Notice(id=name, text="", until_us=3 * AGAIN_US) for name in ("bad", "good"))
    assert queue.send(0)
    assert not queue.send(AGAIN_US - 1)
    assert sent == ["bad"]
    assert queue.send(AGAIN_US)
    assert (sent, lost) == (["bad", "good", "bad"], [])
    assert queue.send(3 * AGAIN_US)
    assert (len(sent), len(lost), list(queue.notices)) == (3, 1, [])
    queue.add(Notice(id=str(number), text="", until_us=DAY_US) for number in range(WAITING_MAX + 2))
    assert (len(queue.notices), len(lost)) == (WAITING_MAX, 3)


def test_a_clock_that_was_set_back_keeps_nothing_waiting() -> None:
    arrives: list[bool] = []
    queue = Waiting(lambda _: bool(arrives), lose=lambda: None, stop=threading.Event())
    queue.add([Notice(id="a", text="", until_us=DAY_US)])
    queue.send(HOUR_US)
    arrives.append(True)
    assert queue.send(0)
    assert not queue.notices


def test_people_are_told_that_they_are_not_asked_and_later_how_often(tmp_path: Path) -> None:
    log = Log(unasked("p1"), unasked("p2"), unasked("p3"))
    assert told(log, tmp_path) == ["v-p1-unasked"]
    assert told(log, tmp_path, us=START + HOUR_US) == [f"unasked-{START}"]
    assert told(log, tmp_path, us=START + 2 * HOUR_US) == []
