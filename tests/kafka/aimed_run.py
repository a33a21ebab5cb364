"""A gate with a standby and two executors of one group, struck at chosen points of their work while proposals come.

What must be true of it is read from the topics (and from what the executors' targets were told), never from logs.
"""

import base64
import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from itertools import groupby

from confluent_kafka.admin import NewTopic

from schemas import wire
from schemas.events import Action, JournalEntry, Outcome, Verdict
from schemas.kafka import headers_of, make_admin
from schemas.reading import read_event
from streams.app import load_trust, make_decoded_role
from streams.loop.role import Role
from streams.operate.loop_place import LoopPlace
from streams.operate.processes import flyball_command
from streams.runtime.log_reader import PartitionReader
from tests.kafka.kill_points import AGAIN, Blow, HandBlow, plant_of
from tests.kafka.live_loop import QUICK, LiveLoop, now_us
from tests.kafka.log import KafkaLog
from tests.kafka.pager import Pager
from tests.kafka.processes import WorkerProcess
from tests.kafka.proposer import Proposer
from tests.kafka.relay import Relay, Trap, armed
from tests.patience import PATIENCE_S
from tests.promises.checker import check_promises, inputs_are_covered_once, one_start_and_one_end_per_action, report
from tests.promises.evidence import Evidence, LimitRule, LogRecord

GATES, HANDS = ("gate-1", "gate-2"), ("hand-1", "hand-2")
GROUP = "file"
"""The executors' own default."""
LOOP_LIMIT, ACTION_LIMIT, ENTITY_LIMIT = "5/5s", "3/5s", "2/30s"
"""Less than is proposed, over longer than a gate is away: without its memory each would be exceeded at once."""
LIMITS = (
    LimitRule(name="loop", limits=LOOP_LIMIT, scope=lambda _: "loop"),
    LimitRule(name="action", limits=ACTION_LIMIT, scope=lambda verdict: verdict.proposal.action),
    LimitRule(name="entity", limits=ENTITY_LIMIT, scope=lambda verdict: verdict.proposal.entity),
)
CHANGES = QUICK | {
    "gate.loop_limit": f'"{LOOP_LIMIT}"',
    "gate.entity_attempts": f'"{ENTITY_LIMIT}"',
    "gate.concurrency": "1000",
    "gate.failed_least": "1000",
    "actions.restart.limit": f'"{ACTION_LIMIT}"',
    "actions.restart.expires": '"10s"',
    "actions.restart.executor": '"kafka.plant"',
}
MORE = """
[actions.page]
reversible = true
limit = "{limit}"
cooldown = "0s"
expires = "10s"
executor = "webhook.pager"
[executors]
concurrency = 1
limit = "600/minute"
pause = "200ms"
hosts = ["127.0.0.1"]
[executors.target]
failures = 1000
[executors.kafka.plant]
topic = "{plant}"
[executors.webhook.pager]
url = "{url}"
secret_file = "pager.secret"
plain_http = true
private = true
idempotent = true
"""
LOOK_US = 200_000
"""At most so long lies between an executor's last look at the expiry and its record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """An effect on the topic of the executors' target."""

    action: Action
    group: str
    time_us: int


@dataclass(slots=True, kw_only=True)
class Struck:
    """An executor's blow that fell: on whose action, and what is expected of that."""

    blow: HandBlow
    action: str


@dataclass(slots=True, kw_only=True)
class AimedRun:
    """The processes, each behind a relay of its own, and what happened to them. Use as a context."""

    loop: LiveLoop
    pager: Pager = field(default_factory=Pager)
    struck: list[Struck] = field(default_factory=list)
    gate_blows: int = 0
    _relays: dict[str, Relay] = field(default_factory=dict)
    _processes: dict[str, WorkerProcess] = field(default_factory=dict)
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> "AimedRun":
        try:
            self._set_up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with ThreadPoolExecutor() as threads:
            list(threads.map(WorkerProcess.finish, self._processes.values()))
        self._stack.close()

    def _set_up(self) -> None:
        loop = self.loop
        self._stack.enter_context(self.pager.http)
        loop.init(CHANGES)
        secret = loop.folder / "pager.secret"
        secret.touch(mode=0o600)
        secret.write_text("whsec_" + base64.b64encode(b"x" * 32).decode())
        plant = plant_of(loop.name)
        more = MORE.format(limit=ACTION_LIMIT, plant=plant, url=self.pager.http.url)
        loop.config.write_text(loop.config.read_text() + more)
        admin = make_admin(loop.connection)  # gone, it would take its answers with it
        admin.create_topics([NewTopic(plant, 1, 1)])[plant].result(PATIENCE_S)
        loop.command("topics", "apply")
        loop.command("activate")
        (loop.folder / "logs").mkdir()
        for name in GATES:
            self._start(name, "run", "--role", "gate", "--instance", name)
        for name in HANDS:
            self._start(name, "executor", "--name", name)
        loop.until(lambda: {word.role for word in loop.presence() if word.partitions} == {"gate", "executor"})
        loop.until(lambda: len([word for word in loop.presence() if word.role == "executor"]) == len(HANDS))

    def _start(self, name: str, command: str, *arguments: str) -> None:
        """Start a process whose file says that Kafka is at its relay."""
        loop = self.loop
        relay = self._relays[name] = self._stack.enter_context(Relay(loop.connection))
        config = loop.folder / f"{name}.toml"
        config.write_text(loop.config.read_text().replace(loop.connection.bootstrap, relay.bootstrap))
        process = self._processes[name] = WorkerProcess(
            name=name,
            command=flyball_command(command, "--config", str(config), *arguments),
            log=loop.folder / "logs" / f"{name}.log",
        )
        process.start()
        relay.target = process

    def work(self, rounds: Sequence[tuple[Blow, HandBlow]]) -> None:
        """Let the blows fall while proposals come, then wait until everything has its end."""
        with Proposer(self.loop.connection, self.loop.name) as proposer:
            for gate_blow, hand_blow in rounds:
                began = time.monotonic()
                self._round(gate_blow, hand_blow)
                print(f"{gate_blow.name}, {hand_blow.name}: over after {time.monotonic() - began:.1f} s")
        loop = self.loop
        loop.until(lambda: proposer.written <= {verdict.proposal.id for verdict in loop.events(Verdict)})
        loop.until(lambda: not self._open_actions())
        loop.until_folded("gate")
        assert proposer.aborted
        assert not proposer.aborted & {verdict.proposal.id for verdict in loop.events(Verdict)}
        time.sleep(1.0)

    def _round(self, gate_blow: Blow, hand_blow: HandBlow) -> None:
        with self._hand_trap(hand_blow) as hand:
            self._await(hand)
            struck = Struck(blow=hand_blow, action=self._in_hand(hand))
            with armed([self._relays[name] for name in GATES], gate_blow.point, gate_blow.signal) as gate:
                self._await(gate)
                self.gate_blows += 1
                struck_us = now_us()
                self.loop.until(lambda: any(verdict.time_us > struck_us for verdict in self.loop.events(Verdict)))
            self.loop.until(lambda: self._is_taken_over(struck.action, hand))
        self.struck.append(struck)
        self.loop.until(lambda: set(self.states(struck.action)) - {"claimed"})

    def _await(self, trap: Trap) -> None:
        self.loop.until(trap.sprung.is_set)

    @contextmanager
    def _hand_trap(self, blow: HandBlow) -> Iterator[Trap]:
        if blow.point is not AGAIN:
            with armed([self._relays[name] for name in HANDS], blow.point, blow.signal) as trap:
                yield trap
            return
        trap = Trap(point=blow.point, blow=blow.signal)

        def strike(action: str) -> None:
            trap.victim = self._claims()[action].executor
            trap.strike(self._processes[trap.victim])

        self.pager.strike_next(strike)
        yield trap

    def _claims(self) -> dict[str, Outcome]:
        """Return the first claim of every action: the one that wins."""
        claims: dict[str, Outcome] = {}
        for told in self.loop.events(Outcome):
            if told.state == "claimed":
                claims.setdefault(told.action, told)
        return claims

    def _in_hand(self, trap: Trap) -> str:
        """Return the action that the victim of a trap had claimed last when it was struck, of whatever partition: it
        does one at a time, and may be back at work by now.
        """
        told = [one for one in self.loop.events(Outcome) if one.state == "claimed" and one.executor == trap.victim]
        last = max((one for one in told if one.time_us <= trap.struck_us), key=lambda claim: claim.time_us)
        winner = self._claims()[last.action]
        assert winner.id == last.id, f"struck at a claim that lost: {last} came behind {winner}"
        return last.action

    def _is_taken_over(self, action: str, trap: Trap) -> bool:
        """Return whether an executor answers for what lies behind an action: it has met that action before.

        Who was killed may do so itself when it is back; while one is frozen it is the other, and the action expires.
        """
        actions = [(record, event) for record, event in self.loop.reader.events(Action.TOPIC)]
        ((place, struck),) = [(record, event) for record, event in actions if event.id == action]
        assert isinstance(struck, Action)
        behind = {
            event.id
            for record, event in actions
            if record.partition == place.partition and record.offset > place.offset
        }
        heirs = {told.executor for told in self.loop.events(Outcome) if told.action in behind}
        if trap.blow == signal.SIGSTOP:
            return bool(heirs - {trap.victim}) and now_us() > struck.expires_us
        return bool(heirs)

    def hand_exits(self) -> dict[str, list[int]]:
        """Return how each executor ended, life after life."""
        return {name: self._processes[name].exits for name in HANDS}

    def states(self, action: str) -> tuple[str, ...]:
        """Return what `outcomes` says of an action, in order; claims that came too late say nothing."""
        winner = self._claims()[action].id
        told = [one for one in self.loop.events(Outcome) if one.action == action]
        return tuple(one.state for one in told if one.state != "claimed" or one.id == winner)

    def _open_actions(self) -> set[str]:
        ended = {told.action for told in self.loop.events(Outcome) if told.state != "claimed"}
        return {action.id for action in self.loop.events(Action)} - ended

    def starts(self) -> list[Start]:
        """Return every effect on the target's topic, in order."""
        with PartitionReader(self.loop.connection, topic=plant_of(self.loop.name), partition=0) as reader:
            return [
                Start(
                    action=wire.decode(Action.TOPIC, record.value(), headers_of(record)),  # type: ignore[arg-type]
                    group=GROUP,
                    time_us=record.timestamp()[1] * 1_000 - LOOK_US,
                )
                for record in reader.to_end()
            ]

    def done(self) -> Counter[str]:
        """Return how often each action was done; the pager does nothing twice."""
        return Counter(start.action.id for start in self.starts()) + Counter(set(self.pager.book()))

    def evidence(self) -> Evidence:
        """Return what the topics show of the gate and its executors; the processes have ended."""
        place = LoopPlace.open(self.loop.config)
        trust, audience = load_trust(place.keys), place.audience()

        def make_role(role: str, partition: int) -> Role:
            return make_decoded_role(place.settings, role=role, partition=partition, trust=trust, audience=audience)

        def verify(record: LogRecord) -> None:
            read_event(
                record.topic, record.key, record.value, record.headers, trust=trust, audience=audience, now_us=now_us()
            )

        evidence = KafkaLog(self.loop.connection, self.loop.name).evidence(roles=["gate"], make_role=make_role)
        return replace(evidence, starts=self.starts(), limits=LIMITS, verify=verify, settled=False)


def violations(run: AimedRun) -> str:
    """Return every promise that a run broke, as text; empty when it broke none."""
    evidence = run.evidence()
    settled = replace(evidence, settled=True)
    return report(
        [
            *check_promises(evidence),
            *inputs_are_covered_once(settled),
            *one_start_and_one_end_per_action(settled),
        ]
    )


def successions(evidence: Evidence) -> int:
    """Return how often another writer went on with the gate's journal."""
    entries: list[JournalEntry] = evidence.journals()["gate", 0]
    return len(list(groupby(entry.instance for entry in entries))) - 1
