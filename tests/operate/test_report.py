"""What a run is counted as."""

from collections.abc import Iterator, Sequence

from schemas.events import Event, Outcome, Storm, Verdict
from streams.operate.foretold import EarlyLine, early_line
from streams.operate.report import build_report
from streams.operate.topic_reader import StoredRecord
from tests.loop.decided import experience, outcome, proposal, verdict


class Log:
    """Events by topic, each at the next offset."""

    def __init__(self, *events: Event) -> None:
        self._events = events

    def records(self, topics: Sequence[str]) -> Iterator[StoredRecord]:
        yield from (record for record, _ in self.events(*topics))

    def events(self, *topics: str) -> Iterator[tuple[StoredRecord, Event]]:
        for offset, event in enumerate(self._events):
            if event.TOPIC in topics:
                record = StoredRecord(
                    topic=event.TOPIC, partition=0, offset=offset, key=None, value=None, headers=(), timestamp_us=0
                )
                yield record, event


def storm(name: str, *, alias_of: str | None = None) -> Storm:
    return Storm(
        id=f"{name}-{alias_of}",
        time_us=0,
        storm=name,
        phase="open" if alias_of is None else "closed",
        opened_us=0,
        size=2,
        calls="declared",
        members=(),
        alias_of=alias_of,
    )


def test_a_storm_that_was_part_of_another_is_none_of_its_own() -> None:
    log = Log(storm("one"), storm("two"), storm("two"), storm("three"), storm("two", alias_of="one"))
    assert build_report(log, broker="memory", seconds=1.0).storms == 2


def test_proposals_that_nobody_answered_are_told_apart() -> None:
    answered, open_one = proposal(id="a"), proposal(id="b")
    found = build_report(Log(answered, open_one, verdict(answered)), broker="memory", seconds=1.0)
    assert (found.proposals, found.verdicts, found.undecided) == (2, {"allow": 1}, 1)


def test_a_refusal_by_another_group_does_not_undo_an_end() -> None:
    ran, never = (verdict(proposal(id=name), action=name) for name in ("a", "b"))
    started = [outcome(ran, state, 0) for state in ("claimed", "succeeded")]
    refused = [outcome(one, "refused", 1, group="other", executor="other") for one in (ran, never)]
    assert build_report(Log(*started, *refused), broker="memory", seconds=1.0).outcomes == {
        "refused": 1,
        "succeeded": 1,
    }


def test_the_first_end_of_an_action_counts_and_others_are_told_of() -> None:
    first, second = (verdict(proposal(episode=name)) for name in ("a", "b"))

    def end(of: Verdict, state: str, number: int) -> Outcome:
        return outcome(of, state, number, id=f"{of.id}-{number}")

    told = [end(first, "claimed", 0), end(first, "failed", 1), end(first, "succeeded", 2), end(first, "claimed", 3)]
    found = build_report(Log(*told, *[end(second, "succeeded", n) for n in (4, 5)]), broker="memory", seconds=1.0)
    assert (found.outcomes, found.outcomes_contradicted) == ({"failed": 1, "succeeded": 1}, 1)


def test_the_validity_of_early_signals_is_that_of_the_pairs_of_the_run() -> None:
    """A signal that tells which of two outcomes will come, in three cases of four."""
    told: list[Event] = [experience(proposal(id="other"), signal=None)]
    for n in range(400):
        one = proposal(id=f"p{n}")
        signal, outcome_value = float(n % 2), 0.8 if (n % 2) != (n % 8 in (0, 1)) else 0.2
        if n % 4 == 0:
            told.append(experience(one, "early", 0.5, signal=signal))
        told.append(experience(one, "observed", outcome_value - 0.1, cost=0.1, signal=signal))
    told.append(experience(proposal(id="lost"), "unobservable", None, signal=1.0))
    report = build_report(Log(*told), broker="memory", seconds=1.0)
    assert report.experiences == {"observed": 401, "unobservable": 1}
    assert report.early is not None
    assert (report.early.told, report.early.pairs) == (100, 380)
    assert 0.1 < report.early.explained < 0.35
    assert early_line([experience(proposal())]) is None
    assert early_line([experience(proposal(), "early", 0.5)]) == EarlyLine(told=1, explained=0.0, pairs=0)
