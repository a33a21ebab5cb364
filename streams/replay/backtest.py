"""A loop over recorded telemetry, without a broker: what it would have seen, proposed and allowed."""

from collections.abc import Iterable, Iterator

from schemas.events import Action, Event, Outcome, Telemetry
from streams.replay.driver import Driver, DriverSettings, RoleFactory
from streams.replay.reading import read_events

NEVER_US = 1 << 62
RESULT_TOPICS = ("insights", "patterns", "policy", "verdicts", "actions", "experience", "audit", "dead-letters")


class RecordedWorld:
    """Telemetry from a file, in order of time. Actions have no effect: what happened has happened."""

    def __init__(self, samples: Iterable[Telemetry]) -> None:
        self._samples = sorted(samples, key=sample_us)
        self._next = 0

    def __len__(self) -> int:
        return len(self._samples)

    def next_time(self) -> int:
        if self._next == len(self._samples):
            return NEVER_US
        return sample_us(self._samples[self._next])

    def telemetry(self, now_us: int) -> list[Telemetry]:
        start = self._next
        while self.next_time() <= now_us:
            self._next += 1
        return self._samples[start : self._next]

    def act(self, action: Action, now_us: int) -> None:
        """Leave the past as it was."""

    def outcomes(self, now_us: int) -> list[Outcome]:
        del now_us
        return []


def backtest(
    *, loop: str, settings_hash: str, make_role: RoleFactory, samples: Iterable[Telemetry], partitions: int = 1
) -> Iterator[Event]:
    """Run a loop over samples at the times they carry; yield its events, topic by topic, in order.

    Nobody executes the actions, so every outcome stays unobserved: only what leads to an action is tested.
    """
    world = RecordedWorld(samples)
    if not len(world):
        return
    settings = DriverSettings(
        loop=loop,
        start_us=world.next_time() - 1,
        partitions=partitions,
        executors=0,
        settings_hash=settings_hash,
        steps_per_snapshot=NEVER_US,
    )
    driver = Driver(settings=settings, make_role=make_role, world=world)
    driver.run(telemetry_events=len(world))
    for topic in RESULT_TOPICS:
        for partition in range(driver.log.partitions(topic)):
            for _, event in read_events(driver.log, topic, partition, 0):
                yield event


def sample_us(sample: Telemetry) -> int:
    """Return the time of a sample in microseconds since the epoch; raises `ValueError` for a local time."""
    if isinstance(sample.time, int):
        return sample.time
    if sample.time.tzinfo is None:
        raise ValueError(f"expected a time with its offset from UTC, got {sample.time.isoformat()}")
    return round(sample.time.timestamp() * 1_000_000)
