"""Engines one after another on one test stand, through the real processors: replaced when the loop says so."""

from collections.abc import Callable, Sequence
from functools import partial

from schemas.events import Action, Outcome, Telemetry
from streams.app import make_decoded_role
from streams.loop.role import Role
from streams.replay import Driver, DriverSettings
from streams.replay.backtest import NEVER_US
from streams.settings import Settings
from streams.settings.read import parse
from tests.bench.at_once import AtOnce
from tests.bench.cmapss_data import COST, Ended, Engine

STAND = "stand-1"
START_US = 1_700_000_000_000_000
CYCLE_US = 3_600_000_000
LOOP_TOML = """\
[loop]
name = "bench"

[telemetry]
partitions = 1

[detect]
window = "0s"          # a sample a cycle, each a window
idle = "7d"
gone = "30d"
census = "365d"        # nobody reads it here

[policy]
baseline = "replace"
hold_out = {{ loop = 1.0, baseline = 0.0, none = 0.0 }}
outcome_wait = "12h"

[policy.renewal]
action = "replace"
failed = "failed"
cost = {cost}
failure_cost = {failure_cost}

[outcome]
horizon = "6h"         # is it normal again?

[actions.replace]
cost = 0.05

[levels]
"*/replace" = "act"
"""


def settings_of(failure_cost: float) -> Settings:
    """Return the settings of the loop that engines run through."""
    return parse(LOOP_TOML.format(cost=COST, failure_cost=failure_cost), name="loop.toml")


class Stand:
    """A world: a sample a cycle; the next engine begins after one was replaced, or failed. `ends` are their lives.

    The driver wants to be told how many samples there are: the last one, sent again, stands for those that engines that
    were replaced did not live to send. Readers drop it. `begins` hears the number of every engine.
    """

    def __init__(self, engines: Sequence[Engine]) -> None:
        self.samples = sum(engine.cycles for engine in engines)
        self.ends: list[Ended] = []
        self.begins: Callable[[int], None] = lambda number: None  # noqa: ARG005, nobody listens
        self._engines = engines
        self._cycle = 0
        self._left = self.samples
        self._next_us = START_US
        self._last = Telemetry(entity=STAND, time=START_US, values={})
        self._done = AtOnce()

    def next_time(self) -> int:
        return self._next_us if self._left else NEVER_US

    def telemetry(self, now_us: int) -> list[Telemetry]:
        if now_us < self._next_us or not self._left:
            return []
        self._next_us += CYCLE_US
        if len(self.ends) == len(self._engines):
            made, self._left = self._left, 0
            return [self._last] * made
        self._left -= 1
        if not self._cycle:
            self.begins(len(self.ends))
        engine = self._engines[len(self.ends)]
        values = dict(zip(engine.metrics, engine.rows[self._cycle].tolist(), strict=True))
        self._cycle += 1
        failed = self._cycle == engine.cycles
        self._last = Telemetry(entity=STAND, time=now_us, values=values | {"failed": float(failed)})
        if failed:
            self._end(is_failed=True)
        return [self._last]

    def act(self, action: Action, now_us: int) -> None:
        if not self._cycle:
            raise ValueError(f"what is replaced must be running, {action.id} came when it had ended")
        self._end(is_failed=False)
        self._done.end(action, now_us)

    def outcomes(self, now_us: int) -> list[Outcome]:
        del now_us
        return self._done.take()

    def _end(self, *, is_failed: bool) -> None:
        self.ends.append(Ended(self._cycle, is_failed))
        self._cycle = 0


def run(engines: Sequence[Engine], failure_cost: float, *, training: Sequence[Engine] = ()) -> list[Ended]:
    """Return how the engines ended under a loop that had seen those of `training` fail, paused, and nothing else."""
    settings = settings_of(failure_cost)
    world = Stand([*training, *engines])
    driver = Driver(
        settings=DriverSettings(
            loop=settings.loop.name,
            start_us=START_US - 1,
            tick_us=1_000_000,
            partitions=1,
            executors=1,
            settings_hash=settings.settings_hash,
            steps_per_snapshot=NEVER_US,
            roles=("detect", "decide", "gate"),
        ),
        make_role=partial(_role, settings),
        world=world,
    )

    def begins(number: int) -> None:
        if training and number in (0, len(training)):
            driver.order("pause", "loop", "running" if number else "paused")

    world.begins = begins
    driver.run(telemetry_events=world.samples)
    return world.ends[len(training) :]


def _role(settings: Settings, role: str, partition: int) -> Role:
    return make_decoded_role(settings, role=role, partition=partition)
