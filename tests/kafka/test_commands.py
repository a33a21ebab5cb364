"""Every command that a person types, against one real loop."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import psutil
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from connectors.kafka.launcher import LocalKafka
from schemas.connection import KafkaConnection
from schemas.events import Approval, Census, Control, DeadLetter, Drift, Episode, Experience, Outcome, Overflow, Verdict
from schemas.keyfiles import load_keyring
from schemas.wire import encode
from streams.cli.options import orders_of
from streams.operate.escalations import open_escalations
from streams.operate.loop_place import ADDRESS_FILE, LoopPlace
from tests.connectors.http_target import HttpTarget, says
from tests.kafka.live_loop import QUICK, ROOT, LiveLoop, now_us
from tests.patience import PATIENCE_S

STOP_S = 10.0


@dataclass(slots=True, kw_only=True)
class Typed:
    """A loop whose `flyball run` and `flyball executor` run as a person started them, Kafka included."""

    loop: LiveLoop
    run: "subprocess.Popen[bytes]"
    executor: "subprocess.Popen[bytes]"
    slack: HttpTarget
    """Who is told what people are asked."""


def _start(loop: LiveLoop, *arguments: str) -> "subprocess.Popen[bytes]":
    with (loop.folder / f"{arguments[0]}.txt").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "streams.cli", *arguments],
            cwd=loop.folder,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=log,
            stderr=log,
        )


def _said(loop: LiveLoop, command: str) -> str:
    return (loop.folder / f"{command}.txt").read_text()


@pytest.fixture(scope="module")
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture(scope="module")
def typed(tmp_path_factory: pytest.TempPathFactory, stack: ExitStack) -> Iterator[Typed]:
    """Run a loop as README says: init, edit, run (which starts Kafka, makes topics and activates), executor."""
    folder = tmp_path_factory.mktemp("typed")
    loop = LiveLoop(folder, name="typed", connection=KafkaConnection(bootstrap="127.0.0.1:1"))
    loop.init(QUICK | {"levels.default": '"approve"', "levels.novel": '"approve"'}, local=True)
    for person in ("ada", "bob", "carl"):
        ssh_key(folder / person)
        loop.command("keys", "add", person, "--ssh-key", f"{person}.pub", "--role", "approver", "--role", "operator")
    slack = stack.enter_context(HttpTarget(says(503), says(200)))
    text = loop.config.read_text()
    loop.config.write_text(f'{text}\n[notify]\nurl = "{slack.url}"\nplain_http = true\nprivate = true\nhourly = 2\n')
    run = _start(loop, "run")
    address = folder / "var" / ADDRESS_FILE
    loop.until(lambda: address.exists() and "running detect" in _said(loop, "run"))
    loop.connect(KafkaConnection(**json.loads(address.read_text())["connection"]))
    executor = _start(loop, "executor", "--kind", "log", "--name", "typed")
    loop.until_heard(["gate", "executor"])
    loop.command("activate", "--key", "carl")  # as `run` did it, by a machine's key, nobody alone could approve
    loop.until_heard(["detect", "decide", "gate", "improve", "executor"])
    try:
        yield Typed(loop=loop, run=run, executor=executor, slack=slack)
    finally:
        for process in (executor, run):
            process.terminate()
            process.wait(PATIENCE_S)


def test_files_are_published_and_their_episodes_wait_for_people_who_answer(typed: Typed) -> None:
    loop = typed.loop
    values = [50.0, 51.0, 52.0] * 5 + [95.0]
    start_us = time.time_ns() // 1_000 - 5_000_000
    entities = {"from.csv": "in-csv", "from.ndjson": "in-ndjson", "from.parquet": "in-parquet"}
    for name, entity in entities.items():
        table = pl.DataFrame(
            {"entity": entity, "time": [start_us + number * 20_000 for number in range(16)], "load": values}
        )
        write = {".csv": table.write_csv, ".ndjson": table.write_ndjson, ".parquet": table.write_parquet}
        write[Path(name).suffix](loop.folder / name)
        assert "published 16 rows of 1 entities (load)" in loop.command("publish", name)
    loop.until(lambda: {event.entity for event in loop.events(Episode)} >= set(entities.values()))
    loop.until(lambda: len(loop.events(Verdict)) >= 3)
    waiting = {one["proposal"]["entity"]: one["proposal"]["id"] for one in loop.json("approvals")}
    assert waiting.keys() == set(entities.values())
    assert waiting["in-csv"][:12] in loop.command("approvals")
    loop.until(lambda: len(typed.slack.bodies) == 4)
    told = [json.loads(body)["text"] for body in typed.slack.bodies]
    assert told[0] == told[1]  # the first answer was 503
    assert all(any(f"flyball approve {key[:12]}" in text for key in waiting.values()) for text in told[:3])
    assert "more than 2 messages in an hour" in told[3]

    said = loop.command("approve", waiting["in-csv"], "--reason", "go on", "--key", "ada")
    assert "approved by ada: restart on in-csv" in said
    assert "gate: allow" in said
    said = loop.command("reject", waiting["in-ndjson"][:12], "--reason", "not today", "--key", "ada")
    assert "gate: deny: rejected by ada: not today" in said
    ended = loop.until(
        lambda: [one for one in loop.events(Outcome) if one.entity == "in-csv" and one.state == "succeeded"]
    )
    assert ended[0].executor == "typed"
    assert {(one.decision, one.person) for one in loop.events(Approval)} == {("approve", "ada"), ("reject", "ada")}
    assert {one["proposal"]["entity"] for one in loop.json("approvals")} == {"in-parquet"}
    rejected = [one for one in loop.events(Verdict) if one.proposal.entity == "in-ndjson"][-1]
    assert (rejected.verdict, rejected.decided_by) == ("deny", "approval")
    loop.command("approve", "no-such-id", "--key", "ada", expect=2)
    ssh_key(loop.folder / "eve")
    loop.command("approve", waiting["in-parquet"], "--key", "eve", expect=1)


def test_a_persons_own_proposal_passes_the_gate_and_waits_for_another_person(typed: Typed) -> None:
    loop = typed.loop
    said = loop.command("propose", "spare", "restart", "--reason", "I want to", "--key", "bob")
    assert "proposed by bob: restart on spare" in said
    assert "gate: escalate: approve" in said
    (waiting,) = [one for one in loop.json("approvals") if one["proposal"].get("by") == "bob"]
    assert (waiting["proposal"]["reason"], waiting["final"]["entity"]) == ("I want to", "spare")
    assert "another person must approve too" in loop.command("approve", waiting["proposal"]["id"], "--key", "bob")
    assert "another person must approve too" in loop.command("approvals")
    assert "gate: allow" in loop.command("approve", waiting["proposal"]["id"], "--key", "ada")
    (learned,) = loop.until(lambda: [one for one in loop.events(Experience) if one.by == "bob"])
    assert (learned.state, learned.reward) == ("unobservable", None)  # it has no episode that could end
    assert "gate: deny" in loop.command(
        "propose", "spare", "restart", "--reason", "again", "--for", "1us", "--key", "bob", expect=1
    )
    loop.command("propose", "spare", "no-such-action", "--reason", "x", "--key", "bob", expect=2)


def test_a_revoked_key_counts_no_more(typed: Typed) -> None:
    loop = typed.loop
    loop.command("propose", "other", "restart", "--reason", "I want to", "--key", "ada")
    (waiting,) = [one["proposal"]["id"] for one in loop.json("approvals") if one["proposal"].get("by") == "ada"]
    place = LoopPlace.open(loop.config)
    (one,) = [
        one for one in open_escalations(loop.reader, now_us=now_us(), window_us=10**9) if one.proposal.by == "ada"
    ]
    bob = orders_of(place, key=loop.folder / "bob")
    keyring = load_keyring(place.keys)
    assert loop.command("keys", "revoke", "bob").endswith(": gate and 1 of 1 executors confirmed\n")
    loop.command("approve", waiting, "--key", "bob", expect=1)
    (place.keys / "keyring.json").write_text(keyring.signed_text(load_root_key(place.keys)))  # bob has not heard of it
    bob.answer(one, approve=True)
    loop.until(lambda: [one for one in loop.events(DeadLetter) if one.reason == "revoked-key"], timeout_s=10)
    loop.command("keys", "revoke", "bob")
    assert "gate: deny: rejected by ada" in loop.command("reject", waiting, "--key", "ada")


def load_root_key(keys: Path) -> Ed25519PrivateKey:
    key = load_pem_private_key((keys / "root.key").read_bytes(), password=None)
    assert isinstance(key, Ed25519PrivateKey)
    return key


def ssh_key(path: Path) -> None:
    """Make an SSH key as people do."""
    key = Ed25519PrivateKey.generate()
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    path.chmod(0o600)
    path.with_name(f"{path.name}.pub").write_bytes(
        key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    )


def test_actions_and_outcomes_are_printed_for_people_and_programs(typed: Typed) -> None:
    loop = typed.loop
    found = [json.loads(line) for line in loop.command("actions", "--json").splitlines()]
    assert sorted((action["entity"], action["action"]) for action in found) == [
        ("in-csv", "restart"),
        ("spare", "restart"),
    ]
    states = [json.loads(line)["state"] for line in loop.command("outcomes", "--json").splitlines()]
    assert states == ["claimed", "succeeded"] * 2
    lines = [line for line in _said(loop, "executor").splitlines() if line.startswith("{")]
    assert {json.loads(line)["id"] for line in lines} == {action["id"] for action in found}


def test_pause_resume_rearm_and_status_say_what_is_true(typed: Typed) -> None:
    loop = typed.loop
    heard = "gate and 1 of 1 executors confirmed"
    assert f"paused: {heard}; nothing running" in loop.command("pause", "--reason", "lunch")
    status = loop.json("status")
    assert status["paused"] is True
    assert {part["role"] for part in status["parts"]} == {"detect", "decide", "gate", "improve", "executor"}
    assert all(part["answering"] for part in status["parts"])
    assert status["drifts"] == status["overflows"] == []
    assert loop.command("resume") == f"resumed loop: {heard}\n"
    said = loop.command("pause", "action:restart", "--for", "1h", "--reason", "mine", "--key", "ada")
    assert f"paused action:restart: {heard}; nothing running" in said
    assert [one.by for one in loop.events(Control) if one.reason == "mine"] == ["ada"]
    assert "mine" in loop.json("status")["pauses"].values()  # who only reads signed orders believes it
    assert f"resumed action:restart: {heard}" in loop.command("resume", "action:restart")
    assert f"rearmed action:restart: {heard}" in loop.command("rearm", "action:restart")
    loop.command("rearm", "action:no-such-action", expect=2)
    loop.command("stop", "everything", expect=2)
    assert f"stopped: {heard}; nothing running" in loop.command("stop", "--reason", "fire")
    assert loop.command("resume") == f"resumed loop: {heard}\nstill in force: stop/loop (fire)\n"
    stopped = loop.json("status")
    assert (stopped["paused"], stopped["pauses"]) == (True, {"stop/loop": "fire"})
    assert loop.command("rearm") == f"rearmed loop: {heard}\n"
    assert loop.json("status")["pauses"] == {}
    said = loop.command("status")
    assert "loop typed: running" in said
    assert "allow" in said


def test_insights_are_read_from_a_time_on_and_by_their_type(tmp_path: Path, broker: LocalKafka, loop_name: str) -> None:
    loop = LiveLoop(tmp_path, name=loop_name, connection=broker.connection)
    loop.init({})
    loop.command("topics", "apply")

    def overflow(rows: int) -> Overflow:
        return Overflow(id=f"o{rows}", time_us=now_us(), partition=0, limit="entity_limit", rows=rows, names=1)

    def written(*events: Overflow | Drift | Census) -> None:
        loop.send_all([encode(event, loop=loop.name) for event in events])

    written(overflow(1))
    time.sleep(0.1)
    since_us = now_us()
    time.sleep(0.1)
    drift = Drift(id="d", time_us=since_us, subject="scores", before=1.0, after=2.0, partition=0)
    census = Census(id="c", time_us=since_us, partition=0, group="", live=1, abnormal=0)
    later = overflow(2)
    written(census, drift, later)
    found = loop.reader.events("insights", since_us=since_us, kinds=(Drift, Overflow))
    assert [event for _, event in found] == [drift, later]
    assert [event for _, event in loop.reader.events("insights", since_us=since_us)] == [census, drift, later]
    assert list(loop.reader.events("insights", since_us=now_us() + 1_000_000)) == []
    status = loop.json("status")
    assert [one["id"] for one in status["drifts"]] == ["d"]
    assert [one["rows"] for one in status["overflows"]] == [2]
    assert "no room in the last hour" in loop.command("status")


def test_settings_that_nobody_activated_are_told_and_keys_rotate(typed: Typed) -> None:
    loop = typed.loop
    before = loop.config.read_text()
    loop.config.write_text(before.replace("seed = 7", "seed = 8"))
    assert "these settings are not activated" in loop.command("status")
    loop.config.write_text(before)
    assert "published keyring version" in loop.command("keys", "rotate", "control")
    assert "executors confirmed\n" in loop.command("activate")
    assert loop.json("status")["paused"] is False


def test_activating_lifts_no_pause_and_says_so_where_the_gate_has_other_settings(typed: Typed) -> None:
    loop = typed.loop
    loop.command("pause", "--reason", "an upgrade")
    assert loop.command("activate").endswith(" executors confirmed\nstill in force: pause/loop (an upgrade)\n")
    assert loop.json("status")["pauses"]["pause/loop"] == "an upgrade"
    loop.command("resume")
    before = loop.config.read_text()
    loop.config.write_text(before.replace("seed = 7", "seed = 8"))
    assert "runs under other settings than loop.toml: start it again" in loop.command("activate", expect=1)
    loop.config.write_text(before)
    loop.command("activate")


def test_an_order_for_any_pattern_is_confirmed_and_names_what_stays_otherwise(typed: Typed) -> None:
    loop = typed.loop
    assert loop.command("level", "p-x/restart", "suggest") == "p-x/restart: suggest ordered; gate confirmed\n"
    said = loop.command("level", "*/restart", "observe", expect=1)
    assert said == (
        "*/restart: observe ordered; gate confirmed\np-x/restart stays at suggest: ordered by its own name\n"
    )
    loop.command("level", "p-x/restart", "approve")
    loop.command("level", "*/restart", "approve")


def test_settings_that_are_activated_before_anything_runs_are_waited_for_by_nobody(
    tmp_path: Path, broker: LocalKafka, loop_name: str
) -> None:
    loop = LiveLoop(tmp_path, name=loop_name, connection=broker.connection)
    loop.init({})
    loop.command("topics", "apply")
    nobody = "nobody has confirmed, as no gate and no executor is there yet"
    assert nobody in loop.command("activate")
    assert nobody in loop.command("keys", "publish")
    loop.command("pause", "--reason", "not yet", expect=1)
    assert "still in force: pause/loop (not yet)" in loop.command("activate")


def test_topics_are_listed_applied_and_their_access_is_told(typed: Typed) -> None:
    loop = typed.loop
    assert {topic["name"] for topic in loop.json("topics", "list")} >= {"telemetry", "actions", "control"}
    assert "0 created, 0 aligned" in loop.command("topics", "apply")
    rules = loop.json("topics", "access")
    assert {rule["name"] for rule in rules} >= {"typed.actions"}


def test_a_run_is_replayed_without_a_difference(typed: Typed) -> None:
    found = typed.loop.json("replay")
    assert found["differences"] == 0
    assert (found["audit"]["links"] > 0, found["audit"]["broken"]) == (True, None)
    assert {line["role"] for line in found["roles"] if line["steps"] > 0} == {"detect", "decide", "gate", "improve"}


def test_a_file_is_tried_without_a_broker(typed: Typed) -> None:
    loop = typed.loop
    lines = [json.loads(line) for line in loop.command("backtest", "from.csv", "--json").splitlines()]
    assert {line["type"] for line in lines} >= {"flyball.episode.v1", "flyball.verdict.v1"}
    assert "1 episodes" in loop.command("backtest", "from.csv")


def test_a_fleet_is_simulated_alike_from_one_seed(typed: Typed) -> None:
    arguments = ("simulate", "--seed", "3", "--events", "2000")
    one, other = typed.loop.json(*arguments), typed.loop.json(*arguments)
    assert one == other
    assert one["report"]["episodes"] > 0
    assert one["report"]["broker"].startswith("none")


def test_ctrl_c_stops_everything_within_ten_seconds_and_reset_forgets_all(typed: Typed, broker: LocalKafka) -> None:
    loop = typed.loop
    loop.command("reset", expect=2)
    for process in (typed.executor, typed.run):
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(STOP_S) == 0
        gone, alive = psutil.wait_procs(family, timeout=max(0.1, STOP_S - (time.monotonic() - began)))
        assert alive == []
        assert len(gone) == len(family)
    assert "0 restarts" in _said(loop, "run")
    assert "Traceback" not in _said(loop, "run") + _said(loop, "executor")
    loop.config.write_text(f'{loop.config.read_text()}\n[kafka]\nbootstrap = "{broker.connection.bootstrap}"\n')
    assert "created" in loop.command("topics", "apply")
    assert "deleted" in loop.command("reset", "--yes", "typed")
    loop.command("status", expect=6)
