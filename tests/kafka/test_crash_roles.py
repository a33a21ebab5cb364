"""Every role and executor of a whole loop is killed, stopped and frozen while it works; the log must look as if nothing
happened, and nothing is done twice.
"""

import os
import signal
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from connectors.kafka.admin import delete_topics
from connectors.kafka.launcher import LocalKafka
from connectors.processes.supervisor import Supervisor
from schemas.events import Action, Outcome, Presence, Telemetry, Verdict
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
EXECUTORS = ("hand-1", "hand-2")
"""Two of one group: either may take over what the other has not begun."""
BLOWS: Sequence[tuple[str, signal.Signals]] = (
    ("gate-1", signal.SIGKILL),
    ("hand-1", signal.SIGKILL),
    ("decide-1", signal.SIGKILL),
    ("detect-1", signal.SIGKILL),
    ("ingest-1", signal.SIGKILL),
    ("improve-1", signal.SIGKILL),
    ("gate-1", signal.SIGSTOP),
    ("hand-2", signal.SIGSTOP),
    ("decide-1", signal.SIGTERM),
)
"""Who (an instance), and what."""


def test_every_role_may_die_and_no_event_is_lost_or_doubled(broker: LocalKafka, loop_name: str, tmp_path: Path) -> None:
    loop = LiveLoop(tmp_path, name=loop_name, connection=broker.connection)
    loop.init(QUICK)
    loop.command("topics", "apply")
    loop.command("activate")
    with loop.running(ROLES) as supervisor:
        for name in EXECUTORS:
            supervisor.add(name, flyball_command("executor", "--config", str(loop.config), "--name", name))
        loop.until(lambda: len({word.instance for word in loop.presence() if word.role == "executor"}) == 2)
        loop.warm_up(*ENTITIES)
        for number, (instance, blow) in enumerate(BLOWS):
            work(loop, number)
            strike(loop, supervisor, instance, blow)
        work(loop, len(BLOWS))
        loop.until(lambda: loop.events(Verdict))
        loop.until_folded("ingest", "detect")
        loop.until(lambda: not open_actions(loop))
        time.sleep(1.0)
    evidence = evidence_of(loop)
    assert report(check_promises(evidence)) == ""
    bulk = replace(evidence, roles=("ingest", "detect"), settled=True)
    assert report(list(inputs_are_covered_once(bulk))) == ""
    assert {role for role, _ in evidence.journals()} == set(ROLES)
    assert len(loop.events(Action)) >= len(ENTITIES)
    done = effects(loop)
    assert set(done) <= {action.id for action in loop.events(Action)}
    assert max(done.values()) == 1
    delete_topics(broker.connection, loop_name)


def open_actions(loop: LiveLoop) -> set[str]:
    """Return the actions that nobody has said the end of."""
    ended = {outcome.action for outcome in loop.events(Outcome) if outcome.state != "claimed"}
    return {action.id for action in loop.events(Action)} - ended


def effects(loop: LiveLoop) -> Counter[str]:
    """Return how often each action was done: what the executors printed is the effect, not what they reported."""
    lines = [line for name in EXECUTORS for line in (loop.folder / "logs" / f"{name}.log").read_text().splitlines()]
    return Counter(msgspec.json.decode(line)["id"] for line in lines if line.startswith("{"))


def work(loop: LiveLoop, number: int) -> None:
    """Let some entities fail and heal, and write some telemetry that `ingest` has to decode."""
    failing = ENTITIES[number % len(ENTITIES)]
    loop.fail(failing)
    samples = [Telemetry(entity=f"raw-{row}", time=now_us(), values={"load": 50.0 + number}) for row in range(20)]
    loop.send_all([Message(topic="raw", key=None, value=msgspec.json.encode(sample)) for sample in samples])
    loop.heal(failing)


def strike(loop: LiveLoop, supervisor: Supervisor, instance: str, blow: signal.Signals) -> None:
    """Hit a process, see to it that one works again in its place, and wait for its word."""
    (former,) = {word.pid for word in loop.presence() if is_called(word, instance) and word.state != "stopping"}
    os.kill(former, blow)
    if blow == signal.SIGSTOP:
        time.sleep(ZOMBIE_S)
        os.kill(former, signal.SIGCONT)
    elif blow == signal.SIGTERM:  # a worker that was told to stop is not started again by itself
        role = instance.removesuffix("-1")
        command = flyball_command("run", "--config", str(loop.config), "--role", role, "--instance", instance)
        supervisor.add(f"{role}-again", command)
    loop.until(lambda: moves(loop, instance, former, zombie=blow == signal.SIGSTOP))


def is_called(word: Presence, instance: str) -> bool:
    """Return whether a presence is of an instance; executors put their group before the name."""
    return word.instance.rpartition("/")[2] == instance


def moves(loop: LiveLoop, instance: str, former: int, *, zombie: bool) -> bool:
    """Return whether it lives and holds something (a zombie that was not replaced may go on itself).

    Of two executors one may hold no partition.
    """
    recent_us = now_us() - 4_000_000
    return any(
        is_called(word, instance)
        and (word.partitions or word.role == "executor")
        and word.time_us > recent_us
        and (zombie or word.pid != former)
        for word in loop.presence()
    )


def evidence_of(loop: LiveLoop) -> Evidence:
    """Return what the topics show, with roles made as the workers make them. Episodes are open: nothing is settled."""
    place = LoopPlace.open(loop.config)
    trust, audience = load_trust(place.keys), place.audience()

    def make_role(role: str, partition: int) -> Role:
        return make_decoded_role(place.settings, role=role, partition=partition, trust=trust, audience=audience)

    return replace(KafkaLog(loop.connection, loop.name).evidence(roles=ROLES, make_role=make_role), settled=False)
