"""A run on Kafka under other settings, from a copy of it as well; and what the doctor says of the loop that made it."""

import json
from collections.abc import Iterator

import pytest
from confluent_kafka import TopicPartition

from connectors.kafka.launcher import LocalKafka
from schemas.events import Action, Verdict
from schemas.kafka import make_admin
from tests.kafka.live_loop import QUICK, LiveLoop, edit
from tests.patience import PATIENCE_S

ROLES = ("detect", "decide", "gate", "improve")
ENTITIES = ("a", "b", "c", "d")
WELL = (
    "file",
    "keys",
    "memory",
    "broker",
    "topics",
    "settings",
    "keyring",
    "orders",
    "roles",
    "breakers",
    "dead letters",
)


@pytest.fixture(scope="module")
def loop(broker: LocalKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveLoop]:
    """Run a loop whose gate let an action through for each of four entities; nobody carries them out."""
    found = LiveLoop(tmp_path_factory.mktemp("other"), name="other-settings", connection=broker.connection)
    found.init(QUICK)
    found.command("topics", "apply")
    found.command("activate")
    with found.running(ROLES):
        found.warm_up(*ENTITIES)
        for entity in ENTITIES:
            found.fail(entity)
            found.until(lambda entity=entity: entity in {one.entity for one in found.events(Action)})  # type: ignore[misc]
        yield found


def levels(loop: LiveLoop, *, expect: int) -> dict[str, list[str]]:
    """Return what the doctor found, by check."""
    found: dict[str, list[str]] = {}
    for one in json.loads(loop.command("doctor", "--json", expect=expect)):
        found.setdefault(one["check"], []).append(one["level"])
    return found


def test_the_doctor_finds_what_is_well_and_what_is_not(loop: LiveLoop) -> None:
    found = levels(loop, expect=1)
    assert found["executors"] == ["fail"]  # there is none
    assert {check: set(found[check]) for check in WELL} == {check: {"ok"} for check in WELL}
    assert len(found["roles"]) == len(ROLES)
    assert found["unclaimed"][0] in ("ok", "warn")  # by the time that has passed
    assert found["clock"][0] in ("ok", "warn")  # on a busy machine records come late
    text = loop.config.read_text()
    loop.config.write_text(edit(text, {"gate.concurrency": "7"}))
    try:
        assert levels(loop, expect=1)["settings"] == ["fail", "warn"]
    finally:
        loop.config.write_text(text)


def test_other_settings_and_profiles_over_the_run_and_over_a_copy_of_it(loop: LiveLoop) -> None:
    same = loop.json("replay", "--settings", "loop.toml")
    assert (same["changes"], same["missing"]) == ([], "")
    assert same["actions_before"] == same["actions_after"] == len(loop.events(Action))
    tight = edit(loop.config.read_text(), {"gate.loop_limit": '"1/day"'})
    (loop.folder / "other.toml").write_text(tight)
    other = loop.json("replay", "--settings", "other.toml")
    assert other["actions_after"] == 1
    assert {change["after"] for change in other["changes"]} == {"deny (loop-budget)"}
    assert len(other["removed"]) == len(ENTITIES) - 1
    assert other["proposals"] == len({one.proposal.id for one in loop.events(Verdict)})

    table = loop.command("profiles")
    assert "speed (in force)" in table
    assert "as recorded" in table
    loop.command("replay", "--save", "kept")
    copy = loop.json("replay", "--from", "kept", "--settings", "other.toml")
    assert copy == other


def test_a_run_whose_first_proposals_are_gone_is_compared_from_where_it_is_whole(loop: LiveLoop) -> None:
    (second, *_) = sorted(record.offset for record, event in loop.reader.events("policy") if event)[1:]
    place = TopicPartition(f"{loop.name}.policy", 0, second)
    admin = make_admin(loop.connection)
    for future in admin.delete_records([place]).values():
        future.result(PATIENCE_S)
    same = loop.json("replay", "--settings", "loop.toml")
    assert same["changes"] == []
    assert 0 < same["proposals"] < len(loop.events(Verdict))
    assert "the record begins at step" in same["missing"]
    loop.command("replay", "--save", "kept-late")
    assert loop.json("replay", "--from", "kept-late", "--settings", "loop.toml") == same
