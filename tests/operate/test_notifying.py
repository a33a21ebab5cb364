"""People are told over restarts: nothing twice, and nothing that is over."""

import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec

from connectors.notify.notices import Notice, Notices
from schemas import wire
from schemas.events import Verdict
from schemas.signing import Audience
from streams.operate.notifying import Place, tell_people
from streams.operate.topic_reader import StoredRecord
from tests.connectors.test_notify import WINDOW_US, verdict
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


def told(log: Log, folder: Path, *, us: int = START, audience: Audience = HERE) -> list[str]:
    """Run to the end of the log; return which proposals people were told of."""
    log.stop.clear()
    sent: list[Notice] = []
    tell_people(
        log,  # type: ignore[arg-type]
        Notices(loop="lab", hourly=100),
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
    assert Place.load(tmp_path / "notify" / "place.json", HERE) == Place(cluster="c1", loop="lab", next_offset=1)
