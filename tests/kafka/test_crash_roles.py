"""Every role of a whole loop is killed, stopped and frozen while it works; the log must look as if nothing happened."""

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from connectors.kafka.admin import delete_topics
from connectors.kafka.launcher import LocalKafka
from connectors.processes.supervisor import Supervisor
from schemas.events import Telemetry, Verdict
from schemas.raw import Message
from schemas.topics import ROLES
from streams.app import load_trust, make_decoded_role
from streams.loop.role import Role
from streams.operate.loop_place import LoopPlace
from streams.operate.processes import flyball_command
from tests.kafka.live_loop import QUICK, LiveLoop, now_us
from tests.kafka.log import KafkaLog
from tests.promises.checker import check_promises, inputs_are_covered_once, report
from tests.promises.evidence import Evidence

ENTITIES = ("web-1", "web-2", "web-3", "web-4")
ZOMBIE_S = 8.5
BLOWS: Sequence[tuple[str, signal.Signals]] = (
    ("gate", signal.SIGKILL),
    ("decide", signal.SIGKILL),
    ("detect", signal.SIGKILL),
    ("ingest", signal.SIGKILL),
    ("improve", signal.SIGKILL),
    ("gate", signal.SIGSTOP),
    ("decide", signal.SIGTERM),
)


@pytest.mark.timeout(280)
def test_every_role_may_die_and_no_event_is_lost_or_doubled(broker: LocalKafka, loop_name: str, tmp_path: Path) -> None:
    loop = LiveLoop(tmp_path, name=loop_name, connection=broker.connection)
    loop.init(QUICK)
    loop.command("topics", "apply")
    loop.command("activate")
    with loop.running(ROLES) as supervisor:
        loop.warm_up(*ENTITIES)
        for number, (role, blow) in enumerate(BLOWS):
            work(loop, number)
            strike(loop, supervisor, role, blow)
        work(loop, len(BLOWS))
        loop.until(lambda: loop.events(Verdict), timeout_s=60)
        loop.until(lambda: all(word.lag == 0 for word in loop.presence() if word.role in ("ingest", "detect")))
        time.sleep(1.0)
    evidence = evidence_of(loop)
    assert report(check_promises(evidence)) == ""
    bulk = replace(evidence, roles=("ingest", "detect"), settled=True)
    assert report(list(inputs_are_covered_once(bulk))) == ""
    assert {role for role, _ in evidence.journals()} == set(ROLES)
    assert len(loop.events(Verdict)) >= len(ENTITIES)
    delete_topics(broker.connection, loop_name)


def work(loop: LiveLoop, number: int) -> None:
    """Let some entities fail and heal, and write some telemetry that `ingest` has to decode."""
    failing = ENTITIES[number % len(ENTITIES)]
    loop.fail(failing)
    samples = [Telemetry(entity=f"raw-{row}", time=now_us(), values={"load": 50.0 + number}) for row in range(20)]
    loop.send_all([Message(topic="raw", key=None, value=msgspec.json.encode(sample)) for sample in samples])
    loop.heal(failing)


def strike(loop: LiveLoop, supervisor: Supervisor, role: str, blow: signal.Signals) -> None:
    """Hit the worker of a role, see to it that one works again, and wait for its word."""
    (former,) = {word.pid for word in loop.presence() if word.role == role and word.state != "stopping"}
    os.kill(former, blow)
    if blow == signal.SIGSTOP:
        time.sleep(ZOMBIE_S)
        os.kill(former, signal.SIGCONT)
    elif blow == signal.SIGTERM:  # a worker that was told to stop is not started again by itself
        command = flyball_command("run", "--config", str(loop.config), "--role", role, "--instance", f"{role}-1")
        supervisor.add(f"{role}-again", command)
    loop.until(lambda: moves(loop, role, former, zombie=blow == signal.SIGSTOP), timeout_s=60)


def moves(loop: LiveLoop, role: str, former: int, *, zombie: bool) -> bool:
    """Return whether a living worker of a role holds something (a zombie that was not replaced may go on itself)."""
    recent_us = now_us() - 4_000_000
    return any(
        word.role == role and word.partitions and word.time_us > recent_us and (zombie or word.pid != former)
        for word in loop.presence()
    )


def evidence_of(loop: LiveLoop) -> Evidence:
    """Return what the topics show, with roles made as the workers make them. Nobody executes: nothing is settled."""
    place = LoopPlace.open(loop.config)
    trust, audience = load_trust(place.keys), place.audience()

    def make_role(role: str, partition: int) -> Role:
        return make_decoded_role(place.settings, role=role, partition=partition, trust=trust, audience=audience)

    return replace(KafkaLog(loop.connection, loop.name).evidence(roles=ROLES, make_role=make_role), settled=False)
