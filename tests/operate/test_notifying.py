"""People are told over restarts: nothing twice, and nothing that is over."""

import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec

from connectors.notify.notices import Notice, Notices, Told
from schemas import wire
from schemas.events import Verdict
from schemas.signing import Audience
from streams.operate.notifying import Place, tell_people
from streams.operate.topic_reader import StoredRecord
from tests.connectors.test_notify import DAY_US, WINDOW_US, left, verdict
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


def told(log: Log, folder: Path, *, us: int = START, audience: Audience = HERE, hourly: int = 100) -> list[str]:
    """Run to the end of the log; return which proposals people were told of."""
    log.stop.clear()
    sent: list[Notice] = []
    tell_people(
        log,  # type: ignore[arg-type]
        Notices(loop="lab", hourly=hourly),
        sent.append,
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
