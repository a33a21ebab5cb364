"""A loop as an operator has it: `flyball init`, a few edits, `topics apply`, `activate`, and real worker processes."""

import json
import os
import random
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from connectors.processes.supervisor import Supervisor
from schemas.client import TelemetryProducer
from schemas.connection import KafkaConnection
from schemas.errors import BrokerError
from schemas.events import Event
from schemas.kafka import make_producer, produce
from schemas.raw import Message
from streams.operate.processes import LOCAL_ROLES, role_commands
from streams.operate.topic_reader import TopicReader
from tests.patience import PATIENCE_S

ROOT = Path(__file__).parents[2]
FOUND = TypeVar("FOUND")
EventType = TypeVar("EventType", bound=Event)
QUICK = {
    "telemetry.partitions": "2",
    "detect.window": '"0s"',
    "detect.warmup_windows": "10\nrearm_windows = 0\nsmooth_windows = 1\nlearn_episodes = false",
    "policy.hold_out": "{ loop = 0.0, baseline = 1.0, none = 0.0 }",
    "levels.default": '"act"',
    "levels.novel": '"act"',
    "gate.loop_limit": '"600/hour"',
    "gate.pattern_limit": '"600/hour"',
    "gate.entity_attempts": '"20/day"',
    "gate.abnormal_share": "1.0",
    "gate.concurrency": "50",
    "actions.restart.limit": '"600/hour"',
    "actions.restart.cooldown": '"0s"',
}
"""Decide at the first abnormal sample, always by the baseline action, and let it act."""


def now_us() -> int:
    return time.time_ns() // 1_000


def flyball(*arguments: str, folder: Path, timeout_s: float = PATIENCE_S) -> "subprocess.CompletedProcess[str]":
    """Run a command as a person types it."""
    return subprocess.run(
        [sys.executable, "-m", "streams.cli", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "default", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def edit(text: str, changes: dict[str, str]) -> str:
    """Set keys (`section.key`) of a loop.toml that stand in it, also behind a #, as a person does in an editor."""
    for path, value in changes.items():
        section, _, key = path.rpartition(".")
        inside = rf"^\[{re.escape(section)}\](?:(?!^(?:# )?\[).)*?^"
        pattern = re.compile(rf"({inside})(?:# )?{re.escape(key)} = [^\n#]*", re.MULTILINE | re.DOTALL)
        text, count = pattern.subn(lambda match, new=value, key=key: f"{match[1]}{key} = {new} ", text, count=1)  # type: ignore[misc]
        assert count == 1, path
    return text


class LiveLoop:
    """One loop in a folder of its own, on some broker."""

    def __init__(self, folder: Path, *, name: str, connection: KafkaConnection) -> None:
        self.folder = folder
        self.name = name
        self.connection = connection
        self.config = folder / "loop.toml"
        self.reader = TopicReader(connection, name)
        self._draw = random.Random(name)
        self._last_us: dict[str, int] = {}

    def connect(self, connection: KafkaConnection) -> None:
        """Say where Kafka is, where that was not known before."""
        self.connection = connection
        self.reader = TopicReader(connection, self.name)

    def init(self, changes: dict[str, str], *, local: bool = False) -> None:
        """Write the file and the keys, and say where Kafka is, unless flyball starts a `local` one."""
        self.command("init", ".", "--name", self.name)
        text = edit(self.config.read_text(), changes)
        kafka = "" if local else f'\n[kafka]\nbootstrap = "{self.connection.bootstrap}"\n'
        self.config.write_text(text + kafka)

    def command(self, *arguments: str, expect: int = 0) -> str:
        """Run a command, require its exit code, and return what it printed on standard output."""
        result = flyball(*arguments, folder=self.folder)
        assert result.returncode == expect, (arguments, result.stdout, result.stderr)
        assert "Traceback" not in result.stderr
        return result.stdout

    def json(self, *arguments: str) -> Any:
        """Run a command with --json and read what it printed."""
        return json.loads(self.command(*arguments, "--json"))

    @contextmanager
    def running(self, roles: Sequence[str] = LOCAL_ROLES) -> Iterator[Supervisor]:
        """Run worker processes; returns when each has heard all orders. They end with the block."""
        with Supervisor(role_commands(self.config, roles), logs=self.folder / "logs") as supervisor:
            self.until_heard(roles)
            yield supervisor

    def until_heard(self, roles: Sequence[str]) -> None:
        """Wait until each role has followed `control` to its end: who lives may not know yet that the loop runs."""
        ordered = max((record.offset + 1 for record, _ in self.reader.events("control")), default=0)
        self.until(lambda: {event.role for event in self.presence() if event.control_offset >= ordered} >= set(roles))

    def until_folded(self, *roles: str) -> None:
        """Wait until every worker of some roles says that nothing is left to fold.

        Its second word from now on counts: what the first says it may have found out before.
        """
        began = max((record.offset + 1 for record, _ in self.reader.events("presence")), default=0)

        def folded() -> bool:
            since = [word for record, word in self.reader.events("presence") if record.offset >= began]
            spoken = Counter(word.instance for word in since)  # type: ignore[attr-defined]
            words = [word for word in self.presence() if word.role in roles]
            return all(spoken[word.instance] > 1 and word.lag == 0 for word in words)

        self.until(folded)

    def presence(self) -> list[Any]:
        """Return the last word of every worker and executor."""
        return list({event.instance: event for _, event in self.reader.events("presence")}.values())  # type: ignore[attr-defined]

    def events(self, kind: type[EventType]) -> list[EventType]:
        """Return everything of one type on its topic."""
        return [event for _, event in self.reader.events(kind.TOPIC) if isinstance(event, kind)]

    def until(self, found: Callable[[], FOUND], *, timeout_s: float = PATIENCE_S) -> FOUND:
        """Ask again until the answer is true, and return it; too late is a failure that shows the workers' logs."""
        deadline = time.monotonic() + timeout_s
        while True:
            with suppress(BrokerError):  # a broker that was frozen may answer the next time
                answer = found()
                if answer:
                    return answer
            assert time.monotonic() < deadline, self._logs()
            time.sleep(0.2)

    def send_all(self, messages: Sequence[Message]) -> None:
        """Write records as they are, as a program does that may write anything."""
        failures: list[str] = []
        producer = make_producer(self.connection, message_max_bytes=3_000_000)
        for message in messages:
            produce(
                producer,
                message,
                loop=self.name,
                on_delivery=lambda error, _: failures.append(error.str()) if error else None,
            )
        assert producer.flush(PATIENCE_S) == 0
        assert not failures

    def warm_up(self, *entities: str, samples: int = 14) -> None:
        """Teach the loop what is normal for some entities."""
        self._send_samples(entities, [self._draw.gauss(50, 1) for _ in range(samples)])

    def warm_up_with(self, entity: str, values: dict[str, float], *, samples: int = 14) -> None:
        """Teach the loop that an entity is always so."""
        start_us = now_us() - 2_000_000
        with TelemetryProducer(self.connection, loop=self.name) as producer:
            for number in range(samples):
                producer.send(entity, start_us + number * 20_000, values)

    def fail(self, *entities: str) -> None:
        """Let entities leave their normal, once."""
        self._send_samples(entities, [95.0])

    def heal(self, *entities: str) -> None:
        """Let entities be normal again for long enough to close their episodes."""
        self._send_samples(entities, [self._draw.gauss(50, 1) for _ in range(5)])

    def _send_samples(self, entities: Sequence[str], values: Sequence[float]) -> None:
        with TelemetryProducer(self.connection, loop=self.name) as producer:
            for value in values:
                for entity in entities:
                    last = self._last_us.get(entity, now_us() - 5_000_000)
                    self._last_us[entity] = last + 20_000
                    producer.send(entity, last + 20_000, {"load": value, "queue": 10 + value / 10})

    def _logs(self) -> str:
        return "\n".join(f"{path.name}:\n{path.read_text()[-1500:]}" for path in (self.folder / "logs").glob("*.log"))
