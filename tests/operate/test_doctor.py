"""What the doctor says of a loop by its topics."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace as replaced

from connectors.kafka.admin import TopicState
from schemas.events import Action, Blocked, Check, Control, DeadLetter, Event, JournalEntry, Outcome, Presence, Verdict
from schemas.keyfiles import create_keys, keyring_text
from schemas.topics import TOPICS
from schemas.wire import encode
from streams.operate.cluster import topic_plans
from streams.operate.doctor.clocks import readings_of
from streams.operate.doctor.examine import examine, on_control, on_verdicts
from streams.operate.doctor.finding import Finding
from streams.operate.doctor.on_topics import (
    HOUR_US,
    Reading,
    check_breakers,
    check_clocks,
    check_dead_letters,
    check_executors,
    check_keyrings,
    check_orders,
    check_roles,
    check_settings,
    check_topics,
    check_unclaimed,
)
from streams.operate.loop_place import LoopPlace
from streams.operate.status import PartStatus
from streams.operate.topic_reader import StoredRecord
from streams.settings import parse
from tests.connectors.test_notify import left
from tests.loop import decided

NOW_US = 1_700_000_000_000_000
SETTINGS = parse('[loop]\nname = "x"\n[actions.restart]\n', name="loop.toml")


def levels(found: list[Finding]) -> list[str]:
    return [one.level for one in found]


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    create_keys(tmp_path / "keys")
    return tmp_path / "keys"


def state(name: str, **fields: object) -> TopicState:
    plan = topic_plans(SETTINGS)[name]
    values = {
        "name": name,
        "full_name": f"x.{name}",
        "partitions": plan.partitions,
        "replication": plan.replication,
        "config": plan.config,
    }
    return msgspec.convert(values | fields, TopicState)


TOPIC_FAULTS = [
    ({"partitions": 0, "config": {}}, "fail", "missing: x.policy"),
    ({"partitions": 3}, "fail", "x.policy has 3, expected 1"),
    ({"config": {"cleanup.policy": "delete", "retention.ms": "5"}}, "warn", "retention.ms=5"),
    ({"replication": 0}, "warn", "fewer copies"),
]


@pytest.mark.parametrize(("fault", "level", "text"), TOPIC_FAULTS)
def test_a_topic_that_is_not_as_the_registry_says_is_named(fault: dict[str, object], level: str, text: str) -> None:
    plans = topic_plans(SETTINGS)
    assert levels(list(check_topics([state(name) for name in TOPICS], plans))) == ["ok"]
    states = [state(name, **(fault if name == "policy" else {})) for name in TOPICS]
    (found,) = check_topics(states, plans)
    assert (found.level, text in found.found) == (level, True), found


def order(kind: str, target: str, value: str, **fields: object) -> Control:
    values = {"id": f"{kind}{target}{value}", "time_us": 1, "kind": kind, "target": target, "value": value, "by": "ada"}
    return msgspec.convert(values | fields, Control)


def test_settings_are_those_that_a_signed_order_activated_or_the_gate_is_shut() -> None:
    assert levels(list(check_settings(None, "h", []))) == ["fail"]
    (other,) = check_settings(order("settings", "loop", "g"), "h", [])
    assert (other.level, "activated by ada" in other.found) == ("fail", True)
    former = part("gate", same_settings=False)
    assert levels(list(check_settings(order("settings", "loop", "h"), "h", [former]))) == ["ok", "warn"]


def test_the_published_keyring_is_the_one_here() -> None:
    assert [check_keyrings(2, published).level for published in (2, 1, 3, None)] == ["ok", "warn", "warn", "fail"]
    for published in (1, None):  # never `activate`: that would put this machine's file in force too
        assert check_keyrings(2, published).remedy == "flyball keys publish"


def test_stops_and_pauses_are_told_with_who_and_how_to_lift_them() -> None:
    running = order("pause", "loop", "running")
    assert levels(list(check_orders([running], now_us=9))) == ["ok"]
    assert levels(list(check_orders([], now_us=9))) == ["fail"]
    over = order("pause", "entity:a", "paused", until_us=5)
    paused = order("pause", "entity:b", "paused", until_us=50, reason="we look at it")
    stopped = order("stop", "loop", "")
    stop, pause = check_orders([running, over, paused, stopped], now_us=9)
    assert (stop.level, stop.remedy) == ("warn", "flyball rearm loop")
    assert (pause.level, pause.remedy) == ("warn", "flyball resume entity:b")
    assert "by ada: we look at it" in pause.found
    until = order("pause", "loop", "running", until_us=9)
    assert levels(list(check_orders([until], now_us=8))) == ["ok"]
    assert levels(list(check_orders([until], now_us=9))) == ["warn"]


def part(role: str, **fields: object) -> PartStatus:
    values = {
        "instance": f"{role}-1",
        "role": role,
        "state": "running",
        "step": 1,
        "lag": 0,
        "age_s": 1.0,
        "control_age_s": 1.0,
        "answering": True,
        "in_flight": (),
        "same_settings": True,
        "confirms_stop": False,
    }
    return msgspec.convert(values | fields, PartStatus)


PART_FAULTS = [
    ({}, "ok", "1 answer"),
    ({"answering": False, "age_s": 70.0}, "fail", "last did 70 s ago"),
    ({"state": "stopping"}, "fail", "no gate answers"),
    ({"control_age_s": 30.0}, "fail", "does not hear orders"),
    ({"state": "paused"}, "fail", "has paused by itself"),
    ({"state": "paused", "why": "stop file /x/STOP"}, "warn", "stopped on its machine: gate-1 (stop file /x/STOP)"),
    ({"lag": 12}, "ok", "12 records behind"),
]


@pytest.mark.parametrize(("fields", "level", "text"), PART_FAULTS)
def test_a_role_that_nobody_fills_rightly_is_told(fields: dict[str, object], level: str, text: str) -> None:
    (found,) = check_roles([part("gate", **fields), part("decide")], ["gate"])
    assert (found.level, text in found.found) == (level, True), found
    assert check_roles([part("decide")], ["gate"]).__next__().found == "no gate answers: never did"


def test_one_paused_worker_of_two_is_told_for_its_part_stands_still() -> None:
    parts = [part("detect"), part("detect", instance="detect-2", state="paused")]
    (found,) = check_roles(parts, ["detect"])
    assert (found.level, "detect-2" in found.found, "detect-1" in found.found) == ("fail", True, False)


def test_executors_are_there_or_actions_expire_where_there_can_be_any() -> None:
    assert check_executors([part("gate")], may_act=True).level == "fail"
    assert check_executors([part("executor")], may_act=True).level == "ok"
    assert check_executors([part("gate")], may_act=False).level == "ok"
    assert check_executors([part("executor", answering=False)], may_act=False).level == "fail"


def letter(seconds_ago: int) -> DeadLetter:
    return DeadLetter(
        id=f"l{seconds_ago}",
        time_us=NOW_US - seconds_ago * 1_000_000,
        origin_topic="telemetry",
        origin_partition=0,
        origin_offset=0,
        reason="late",
        detail="",
        role="detect",
    )


def test_dead_letters_of_the_last_hour_are_a_warning_and_older_ones_are_not() -> None:
    assert check_dead_letters([letter(4_000)], now_us=NOW_US).level == "ok"
    found = check_dead_letters([letter(4_000), letter(30), letter(20)], now_us=NOW_US)
    assert (found.level, found.found) == (
        "warn",
        "2 in the last hour, more than the 1 before; 2 are late on telemetry",
    )
    assert "retry" not in found.remedy  # what came too late would again
    assert "dead-letters retry" in check_dead_letters([replaced(letter(30), reason="wrong-type")], now_us=NOW_US).remedy
    assert HOUR_US == 3_600_000_000


def reading(ahead_s: float) -> Reading:
    return Reading(whose="the broker's", of="this machine's", ahead_us=int(ahead_s * 1e6))


def test_the_clock_that_is_furthest_off_decides() -> None:
    one = Reading(whose="gate-1's", of="this machine's", ahead_us=100_000)
    assert [check_clocks([one, reading(off)]).level for off in (-0.9, -1.1, 5.1)] == ["ok", "warn", "fail"]
    assert check_clocks([]).level == "warn"


def test_of_two_clocks_the_record_that_came_the_least_late_counts() -> None:
    found = check_clocks([reading(-7.0), reading(-0.2), reading(-3.0)])
    assert (found.level, "-0.20 s" in found.found, "worst of 1" in found.found) == ("ok", True, True)


def kept_back(by: str | None) -> Verdict:
    check = Check(name=by or "pause", passed=False, detail="6 of 10 abnormal", remedy="flyball rearm loop")
    return decided.verdict(decided.proposal(), "deny", decided_by=by, checks=(check,))


def test_a_breaker_that_kept_actions_back_is_told_with_what_the_gate_advises() -> None:
    assert check_breakers([kept_back("loop-budget"), kept_back(None)]).level == "ok"
    found = check_breakers([kept_back("failures"), kept_back("abnormal"), kept_back("abnormal"), kept_back("pause")])
    assert (found.level, found.remedy) == ("warn", "flyball rearm loop")
    assert "abnormal 2, failures 1; last: 6 of 10 abnormal" in found.found


class Verdicts:
    """The topic `verdicts` as a reader gives it: of some kinds, since some time."""

    def __init__(self, *events: Verdict | Blocked) -> None:
        self._events = events

    def events(self, topic: str, *, kinds: tuple[type[Event], ...], since_us: int = 0) -> Iterator[tuple[None, Event]]:
        assert topic == "verdicts"
        yield from ((None, event) for event in self._events if isinstance(event, kinds) and event.time_us >= since_us)


def blocked(us: int, **breakers: int) -> Blocked:
    open_us = {name.replace("__", ":"): since_us for name, since_us in breakers.items()}
    return Blocked(id=str(us), time_us=us, until_us={}, breakers=open_us)


def test_breakers_that_are_open_are_told_with_their_time_and_what_closes_them() -> None:
    long_ago = blocked(NOW_US - 3 * 24 * HOUR_US, action__restart=NOW_US - 3 * 24 * HOUR_US, loop=NOW_US)
    found = list(on_verdicts(Verdicts(blocked(0, loop=0), long_ago), now_us=NOW_US))  # type: ignore[arg-type]
    assert [(one.level, one.remedy) for one in found] == [
        ("warn", "flyball rearm action:restart"), ("warn", "flyball rearm loop"), ("ok", ""),
    ]  # fmt: skip
    assert "action:restart is stopped since 2023-11-11 22:13 UTC" in found[0].found
    closed = list(on_verdicts(Verdicts(long_ago, blocked(NOW_US)), now_us=NOW_US))  # type: ignore[arg-type]
    assert [(one.check, one.level) for one in closed] == [("breakers", "ok"), ("people", "ok")]


def test_entities_that_are_left_to_people_are_told() -> None:
    over = left("p2", us=NOW_US - 23 * HOUR_US, entity="web-1", next_us=NOW_US)
    topic = Verdicts(left("p1", us=NOW_US - 2 * HOUR_US), over)
    found = list(on_verdicts(topic, now_us=NOW_US))  # type: ignore[arg-type]
    assert (found[-1].level, found[-1].remedy) == ("warn", "flyball why web-3")
    assert found[-1].found == "left to them, for what was done did not hold: web-3"


def test_actions_that_ran_out_unclaimed_are_told_by_name() -> None:
    def action(key: str, name: str, expired_s: int) -> Action:
        times = {"time_us": 1, "issued_us": 1, "expires_us": NOW_US - expired_s * 1_000_000}
        names = {"entity": "a", "action": name, "proposal": "p", "episode": "e", "pattern": "m", "settings_hash": "h"}
        return msgspec.convert({"id": key} | times | names, Action)

    def said(key: str, state: str) -> Outcome:
        values = {"id": f"{key}-{state}", "time_us": 1, "action": key, "entity": "a", "group": "g", "executor": "x"}
        return msgspec.convert(values | {"state": state}, Outcome)

    fresh, done, refused = action("a1", "wipe", 5), action("a2", "wipe", 900), action("a3", "wipe", 900)
    spoken = [said("a2", "claimed"), said("a3", "refused")]
    assert check_unclaimed([*spoken, fresh, done, refused], now_us=NOW_US).level == "ok"
    lost = [action("a4", "wipe", 900), action("a5", "restart", 900), action("a6", "restart", 900)]
    found = check_unclaimed([fresh, done, *lost, refused, *spoken], now_us=NOW_US)
    assert (found.check, found.level, "restart (2), wipe (1)" in found.found) == ("unclaimed", "warn", True), found


def stored(event: JournalEntry | Presence, topic: str, appended_us: int) -> StoredRecord:
    message = encode(event, loop="x", topic=topic)
    return StoredRecord(
        topic=topic, partition=0, offset=0, key=message.key, value=message.value, headers=message.headers,
        timestamp_us=appended_us,
    )  # fmt: skip


def test_a_step_tells_of_the_brokers_clock_and_its_workers_and_presence_of_its_parts() -> None:
    entry = JournalEntry(
        id="j", time_us=NOW_US - 7, role="gate", partition=0, step=1, control_heard_us=0, inputs=(), outputs=0,
        digest="", code="", settings_hash="", instance="gate-1",
    )  # fmt: skip
    found = list(readings_of(stored(entry, "journal-gate", NOW_US - 2), now_us=NOW_US))
    assert [(one.whose, one.ahead_us) for one in found] == [("the broker's", -2), ("gate/0's", -5)]
    there = Presence(
        id="p", time_us=NOW_US + 9, instance="gate-1", role="gate", version="", pid=1, host="", state="running",
        control_heard_us=0, control_offset=0,
    )  # fmt: skip
    (one,) = readings_of(stored(there, "presence", 0), now_us=NOW_US)
    assert (one.whose, one.ahead_us) == ("gate-1's", 9)


class Topics:
    """Events by topic, each at the next offset."""

    def __init__(self, *events: Control | Presence) -> None:
        self._events = events

    def events(self, *topics: str) -> Iterator[tuple[StoredRecord, Event]]:
        for offset, event in enumerate(self._events):
            if event.TOPIC in topics:
                yield replace(stored(event, event.TOPIC, 0), offset=offset), event


def presence(instance: str, role: str, settings_hash: str) -> Presence:
    return Presence(
        id=instance, time_us=NOW_US - 10, instance=instance, role=role, version="", pid=1, host="", state="running",
        control_heard_us=NOW_US - 10, control_offset=9, settings_hash=settings_hash,
    )  # fmt: skip


def test_a_loop_that_runs_as_it_should_has_nothing_but_ok(keys: Path) -> None:
    place = LoopPlace(config=keys.parent / "loop.toml", settings=SETTINGS)
    text = keyring_text(keys)
    orders = [
        order("keyring", "loop", text),
        order("settings", "loop", SETTINGS.settings_hash),
        order("pause", "loop", "running"),
    ]
    parts = [presence(role, role, SETTINGS.settings_hash) for role in ("detect", "decide", "gate", "improve")]
    reader = Topics(*orders, *parts, presence("hand", "executor", ""))
    found = list(on_control(place, reader, now_us=NOW_US))
    assert {one.level for one in found} == {"ok"}, found
    assert [one.check for one in found] == ["settings", "keyring", "orders", *["roles"] * 4, "executors"]
    with_ingest = Topics(*orders, *parts, presence("hand", "executor", ""), presence("in", "ingest", "former"))
    assert "ingest: 1 answer, 0 records behind" in [one.found for one in on_control(place, with_ingest, now_us=NOW_US)]
    late = list(on_control(place, reader, now_us=NOW_US + 60_000_000))
    assert [one.check for one in late if one.level == "fail"] == ["roles"] * 4 + ["executors"]


def test_a_loop_in_which_nothing_may_act_needs_no_executor_until_a_person_orders_a_level(keys: Path) -> None:
    settings = parse('[loop]\nname = "x"\n[levels]\nraise = "never"\n[actions.restart]\n', name="loop.toml")
    place = LoopPlace(config=keys.parent / "loop.toml", settings=settings)

    def executors(*orders: Control) -> str:
        (found,) = [one for one in on_control(place, Topics(*orders), now_us=NOW_US) if one.check == "executors"]
        return found.level

    assert executors() == "ok"
    assert executors(order("level", "*/restart", "suggest")) == "ok"
    assert executors(order("level", "*/restart", "approve")) == "fail"


def test_what_cannot_be_looked_at_is_a_finding_and_the_rest_is_looked_at(keys: Path) -> None:
    settings = parse(f'[loop]\nname = "x"\ndata = "{"d" * 300}"\n[actions.restart]\n', name="loop.toml")
    place = LoopPlace(config=keys.parent / "loop.toml", settings=settings)
    found = list(examine(place, clock_us=lambda: NOW_US, environment={}))
    assert [(one.check, one.level) for one in found] == [
        ("file", "ok"), ("stop file", "warn"), ("keys", "ok"), ("disk", "fail"), ("memory", "fail"), ("broker", "fail"),
    ]  # fmt: skip


def test_an_address_of_the_local_broker_that_is_cut_short_is_told(keys: Path) -> None:
    place = LoopPlace(config=keys.parent / "loop.toml", settings=SETTINGS)
    place.data.mkdir()
    (place.data / "kafka.json").write_text('{"connection"')
    (found,) = [one for one in examine(place, clock_us=lambda: NOW_US, environment={}) if one.check == "broker"]
    assert "kafka.json: expected where the local Kafka is" in found.found
