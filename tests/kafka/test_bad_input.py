"""Whatever is written to its topics, a running loop sets it aside with its bytes and goes on."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest

from connectors.kafka.admin import delete_topics
from connectors.kafka.launcher import LocalKafka
from connectors.processes.supervisor import Supervisor
from schemas.events import DeadLetter, Episode, Proposal, Verdict
from schemas.raw import Headers, Message
from streams.operate.processes import LOCAL_ROLES, flyball_command
from tests.kafka.live_loop import QUICK, LiveLoop, now_us

TEN_YEARS_US = 10 * 365 * 86_400_000_000
TELEMETRY: Headers = (
    ("ce_type", b"flyball.telemetry.v1"),
    ("content-type", b"application/json"),
    ("x-from", b"a test"),
)
ARROW: Headers = (
    ("ce_type", b"flyball.telemetry-frame.v1"),
    ("content-type", b"application/vnd.apache.arrow.stream"),
)
NESTED = b"[" * 100_000


class Running:
    """A loop with all roles and an executor, and what was written to it so far."""

    def __init__(self, loop: LiveLoop, supervisor: Supervisor) -> None:
        self.loop = loop
        self.supervisor = supervisor

    def refused(self, topic: str, value: bytes | None, headers: Headers = TELEMETRY) -> DeadLetter:
        """Write a record that nobody can use and return its dead letter."""
        return self.all_refused([(topic, value, headers)])[0]

    def all_refused(self, records: Sequence[tuple[str, bytes | None, Headers]]) -> list[DeadLetter]:
        """Write records that nobody can use and return their dead letters, which hold all there was."""
        known = {letter.id for letter in self.loop.events(DeadLetter)}
        self.loop.send_all(
            [Message(topic=topic, key=b"bad", value=value, headers=headers) for topic, value, headers in records]
        )
        wanted = {(topic, value) for topic, value, _ in records}
        found: dict[tuple[str, bytes | None], DeadLetter] = {}

        def all_there() -> bool:
            new = [letter for letter in self.loop.events(DeadLetter) if letter.id not in known]
            found.update({(letter.origin_topic, letter.original_value): letter for letter in new})
            return wanted <= found.keys()

        self.loop.until(all_there)
        letters = [found[topic, value] for topic, value, _ in records]
        for letter, (_, value, headers) in zip(letters, records, strict=True):
            assert (letter.original_key, letter.original_value, letter.original_headers) == (b"bad", value, headers)
            assert letter.detail
        assert self._origins(letters) == [(b"bad", value, headers) for _, value, headers in records]
        return letters

    def _origins(self, letters: Sequence[DeadLetter]) -> list[tuple[bytes | None, bytes | None, Headers]]:
        """Read the records at the places that letters name."""
        topics = sorted({letter.origin_topic for letter in letters})
        stored = {(r.topic, r.partition, r.offset): r for r in self.loop.reader.records(topics) if r is not None}
        found = [stored[one.origin_topic, one.origin_partition, one.origin_offset] for one in letters]
        return [(record.key, record.value, record.headers) for record in found]


@contextmanager
def running_loop(broker: LocalKafka, folder: Path, name: str) -> Iterator[Running]:
    loop = LiveLoop(folder, name=name, connection=broker.connection)
    loop.init(QUICK)
    loop.command("topics", "apply")
    loop.command("activate")
    with loop.running(("ingest", *LOCAL_ROLES)) as supervisor:
        supervisor.add("executor", flyball_command("executor", "--config", str(loop.config), "--name", "one"))
        loop.until(lambda: any(event.role == "executor" for event in loop.presence()))
        yield Running(loop, supervisor)
        assert supervisor.restarts == 0  # nothing of all this stopped anything
        assert supervisor.given_up() == {}
    delete_topics(broker.connection, name)


@pytest.fixture(scope="module")
def running(broker: LocalKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_loop(broker, tmp_path_factory.mktemp("bad-input"), "bad-input") as found:
        yield found


def sample(value: str = "1.0", *, time_us: int | None = None, entity: str = '"bad"') -> bytes:
    time_us = now_us() if time_us is None else time_us
    return f'{{"entity":{entity},"time":{time_us},"values":{{"load":{value}}}}}'.encode()


BAD_TELEMETRY: tuple[tuple[str, bytes | None, Headers], ...] = (
    ("broken-json", b'{"entity": "bad", "time": ', TELEMETRY),
    ("broken-json", b"\xff\xfe no text at all", TELEMETRY),
    ("not-finite", sample("NaN"), TELEMETRY),
    ("not-finite", sample("-Infinity"), TELEMETRY),
    ("wrong-type", sample("1e999"), TELEMETRY),
    ("wrong-type", sample('"much"'), TELEMETRY),
    ("wrong-type", sample(entity="5"), TELEMETRY),
    ("too-large", b'{"entity":"bad","attributes":{"a":"' + b"x" * 2_000_000 + b'"}}', TELEMETRY),
    ("nested-too-deep", NESTED, TELEMETRY),
    ("null-value", None, TELEMETRY),
    ("unknown-version", sample("2.0"), (("ce_type", b"flyball.telemetry.v9"),)),
    ("unknown-type", sample("3.0"), (("ce_type", b"org.example.nonsense.v1"),)),
    ("time-too-old", sample(time_us=now_us() - TEN_YEARS_US), TELEMETRY),
    ("time-in-future", sample(time_us=now_us() + TEN_YEARS_US), TELEMETRY),
    ("broken-arrow", b"no Arrow stream", ARROW),
)


def test_bad_telemetry_becomes_dead_letters(running: Running) -> None:
    letters = running.all_refused(
        [(topic, value, headers) for topic in ("telemetry", "raw") for _, value, headers in BAD_TELEMETRY]
    )
    assert [letter.reason for letter in letters] == 2 * [reason for reason, _, _ in BAD_TELEMETRY]
    assert {(letter.origin_topic, letter.role) for letter in letters} == {("telemetry", "detect"), ("raw", "ingest")}


def test_good_rows_around_bad_ones_go_on_in_an_array_and_in_an_arrow_batch(running: Running) -> None:
    start_us = now_us() - 5_000_000
    values = [50.0 + (number % 3) for number in range(14)] + [95.0]
    for entity, write in (("in-an-array", _array), ("in-a-frame", _frame)):
        rows = [(entity, start_us + number * 20_000, value) for number, value in enumerate(values)]
        rows.insert(7, (entity, start_us + TEN_YEARS_US, 50.0))
        write(running.loop, rows)
        episode = running.loop.until(
            lambda entity=entity: [one for one in running.loop.events(Episode) if one.entity == entity]  # type: ignore[misc]
        )[0]
        assert episode.phase == "opened"
        (letter,) = [one for one in running.loop.events(DeadLetter) if one.original_key == entity.encode()]
        assert (letter.row, letter.reason) == (7, "time-in-future")


BAD_EVENTS: tuple[tuple[str, bytes | None, Headers], ...] = (
    ("broken-json", b"{", (("ce_type", b"flyball.control.v1"),)),
    ("wrong-type", b'{"id": 5}', (("ce_type", b"flyball.control.v1"),)),
    ("unknown-type", b"{}", (("ce_type", b"flyball.nonsense.v1"),)),
    ("unknown-version", b"{ }", (("ce_type", b"flyball.control.v2"),)),
    ("wrong-topic", b"{  }", TELEMETRY),
    ("missing-type", b"{   }", ()),
    ("null-value", None, ()),
    ("nested-too-deep", b'{"unknown":' + NESTED, (("ce_type", b"flyball.control.v1"),)),
)


def test_bad_records_between_the_roles_are_set_aside_by_their_readers(running: Running) -> None:
    topics = ("insights", "policy", "control", "approvals", "outcomes", "actions")
    letters = running.all_refused([(topic, value, headers) for topic in topics for _, value, headers in BAD_EVENTS])
    assert [letter.reason for letter in letters] == len(topics) * [reason for reason, _, _ in BAD_EVENTS]


def test_an_unsigned_order_is_a_dead_letter_and_changes_nothing(running: Running) -> None:
    order = {"id": "forged", "time_us": now_us(), "kind": "pause", "target": "loop", "value": "paused", "by": "nobody"}
    headers = (("ce_type", b"flyball.control.v1"), ("ce_id", b"forged"))
    letter = running.refused("control", msgspec.json.encode(order), headers)
    assert letter.reason == "unsigned"
    assert running.loop.json("status")["paused"] is False
    running.loop.warm_up("still-acted-on")
    running.loop.fail("still-acted-on")
    verdicts = running.loop.until(
        lambda: [one for one in running.loop.events(Verdict) if one.proposal.entity == "still-acted-on"]
    )
    assert verdicts[0].verdict == "allow"


def test_a_forged_proposal_of_a_person_reaches_no_verdict(running: Running) -> None:
    forged = Proposal(
        id="forged-proposal",
        time_us=now_us(),
        entity="still-acted-on",
        episode="",
        pattern="novel",
        action="restart",
        propensity=1.0,
        probabilities={"restart": 1.0},
        expires_us=now_us() + 60_000_000,
        model="",
        by="mallory",
    )
    headers = (("ce_type", b"flyball.proposal.v1"), ("ce_id", b"forged-proposal"))
    assert running.refused("policy", msgspec.json.encode(forged), headers).reason == "unsigned"
    assert [one for one in running.loop.events(Verdict) if one.proposal.id == "forged-proposal"] == []


def test_dead_letters_are_listed_shown_and_retried_but_never_what_carries_authority(running: Running) -> None:
    letter = running.refused("telemetry", b"one to look at")
    listed = running.loop.json("dead-letters", "list")
    assert letter.id in {one["id"] for one in listed}
    shown = running.loop.command("dead-letters", "show", letter.id[:16])
    assert "b'one to look at'" in shown
    assert f"telemetry/{letter.origin_partition}/{letter.origin_offset}" in shown
    running.loop.command("dead-letters", "retry", letter.id)
    again = running.loop.until(
        lambda: [
            one
            for one in running.loop.events(DeadLetter)
            if one.original_value == b"one to look at" and one.origin_offset > letter.origin_offset
        ]
    )
    assert again[0].origin_partition == letter.origin_partition
    forbidden = [(topic, f"not for {topic}".encode(), TELEMETRY) for topic in ("control", "approvals", "actions")]
    for bad in running.all_refused(forbidden):
        running.loop.command("dead-letters", "retry", bad.id, expect=2)


def _array(loop: LiveLoop, rows: list[tuple[str, int, float]]) -> None:
    value = [{"entity": entity, "time": time_us, "values": {"load": load}} for entity, time_us, load in rows]
    loop.send_all(
        [Message(topic="telemetry", key=rows[0][0].encode(), value=msgspec.json.encode(value), headers=TELEMETRY)]
    )


def _frame(loop: LiveLoop, rows: list[tuple[str, int, float]]) -> None:
    entities, times, loads = zip(*rows, strict=True)
    table = pa.table(
        {"entity": list(entities), "time": pa.array(times, pa.timestamp("us", "UTC")), "load": pa.array(loads)}
    )
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    loop.send_all([Message(topic="telemetry", key=rows[0][0].encode(), value=sink.getvalue(), headers=ARROW)])
