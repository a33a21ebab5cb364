"""The demonstration: a broker, all roles, an executor and a lab of failing services, for a while, then a report."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from connectors.lab.record import read_log
from connectors.lab.settings import LabSettings
from connectors.processes.supervisor import Supervisor
from schemas.errors import FlyballError
from schemas.events import Event, Presence
from schemas.keyfiles import create_keys
from streams.operate.cluster import activate_if_new, local_kafka, prepare_topics
from streams.operate.loop_place import LoopPlace
from streams.operate.narration import TOLD_TOPICS
from streams.operate.orders import Orders
from streams.operate.processes import LOCAL_ROLES, flyball_command, role_commands
from streams.operate.report import Report, build_report
from streams.operate.topic_reader import TopicReader
from streams.settings import Settings, world_settings

READY_TIMEOUT_S = 90.0
MARGIN_S = 2.0
SEED = "seed = 7"


@dataclass(frozen=True, slots=True, kw_only=True)
class Demonstration:
    """How long to run, where, and whom to tell: `say` takes lines, `on_event` everything that the loop writes.

    `on_broker` is called when the broker is up: from then on `stopped` is asked often, and ends the run.
    """

    seconds: float
    folder: Path
    seed: int
    say: Callable[[str], None]
    on_event: Callable[[Event], None]
    on_broker: Callable[[], None]
    stopped: Callable[[], bool]
    clock_us: Callable[[], int]

    def run(self) -> Report | None:
        """Run to the end, or until `stopped`: then there is no report. Everything that was started has ended.

        Raises `KafkaUnavailable` where no broker can be had.
        """
        place = self._make_place()
        self.say("starting Apache Kafka (the first time fetches 43 MB)")
        with local_kafka(place) as address:
            self.on_broker()
            self.say(f"Apache Kafka {address.version} on {address.connection.bootstrap}")
            prepare_topics(place, address.connection)
            orders = Orders(
                connection=address.connection,
                audience=place.audience(),
                keys=place.keys,
                person="demo",
                clock_us=self.clock_us,
            )
            reader = TopicReader(address.connection, place.loop)
            activate_if_new(place, orders, reader)
            commands = role_commands(place.config, LOCAL_ROLES)
            commands["executor"] = flyball_command("executor", "--config", str(place.config), "--kind", "lab")
            with Supervisor(commands, logs=place.data / "logs") as supervisor:
                self._wait_until_ready(reader, set(commands), place.data / "logs")
                supervisor.add("world", flyball_command("world", "--config", str(place.config)))
                self._watch(reader, orders, place.settings)
                restarts = supervisor.restarts
            if self.stopped():
                return None
            faults = read_log(place.data / "lab" / "faults.jsonl")
            return build_report(
                reader,
                broker=f"Apache Kafka {address.version}",
                seconds=self.seconds,
                restarts=restarts,
                faults=faults,
                settings=place.settings,
            )

    def _make_place(self) -> LoopPlace:
        config = self.folder / "loop.toml"
        text = resources.files("streams.templates").joinpath("lab.toml").read_text()
        config.write_text(text.replace(SEED, f"seed = {self.seed}"))
        place = LoopPlace.open(config)
        create_keys(place.keys)
        return place

    def _wait_until_ready(self, reader: TopicReader, wanted: set[str], logs: Path) -> None:
        self.say("starting the stream processors and an executor")
        deadline = time.monotonic() + READY_TIMEOUT_S
        missing = wanted
        while not self.stopped():
            missing = wanted - {event.role for _, event in reader.events("presence") if isinstance(event, Presence)}
            if not missing:
                return
            if time.monotonic() > deadline:
                raise FlyballError(
                    f"{', '.join(sorted(missing))} did not start within {READY_TIMEOUT_S:.0f} s; see {logs}"
                )
            time.sleep(0.3)

    def _watch(self, reader: TopicReader, orders: Orders, settings: Settings) -> None:
        """Follow the loop's topics until the time is over.

        The loop is paused before the end, so that outcomes of the last actions are measured and not cut off.
        """
        lab = world_settings(LabSettings, settings)
        self.say(f"starting {lab.services} live services; in {lab.warm_up_us / 1e6:.0f} s they begin to fail")
        settle_s = (settings.attribute.horizon_us + settings.attribute.grace_us) / 1e6 + MARGIN_S
        end = time.monotonic() + self.seconds
        paused = False
        for record in reader.records(TOLD_TOPICS, follow=True):
            event = record.event() if record is not None else None
            if event is not None:
                self.on_event(event)
            left = end - time.monotonic()
            if left < min(settle_s, self.seconds / 4) and not paused:
                paused = True
                orders.pause("loop", reason="the demonstration ends; last outcomes are measured")
                self.say("paused: no new actions; the outcomes of the last ones are being measured")
            if left <= 0 or self.stopped():
                return
