"""A game played by the whole product: each row is an onset, a recurrence, a proposal, a verdict, an action and an
experience.

One row a day, each an entity of its own, through the real decide and gate and an executor with a `loop.toml`; onsets
and measurements are what the game says, not what `detect` would find. The first arm is `none`, doing nothing.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from schemas.events import NONE, Action, Episode, Event, Measurement, MetricSignature, Outcome, Telemetry
from streams.app import make_decoded_role
from streams.loop.policy.choice import uniform
from streams.loop.role import Role
from streams.replay import Driver, DriverSettings
from streams.replay.backtest import NEVER_US
from streams.settings import Settings
from streams.settings.read import parse
from tests.bench.at_once import AtOnce
from tests.bench.bandit_play import FLOOR, POLICY, Floats, Game

START_US = 1_700_000_000_000_000
DAY_US, HOUR_US, SECOND_US = 86_400_000_000, 3_600_000_000, 1_000_000
UNIT = 1e-6
"""Deviations that a feature of 1 is told as: so few that the policy does not squash it, as nothing does in a game."""
HALF = 0.5
LOOP_TOML = """\
[loop]
name = "bench"

[telemetry]
partitions = 1

[detect]
window = "30m"          # what is measured of a row is told in one

[policy]
baseline = "{first}"
hold_out = {{ loop = 1.0, baseline = 0.0, none = 0.0 }}
floor = {floor}
reward_prior = {prior}
values = []             # the episode says it all
outcome_wait = "2h"

[outcome]
horizon = "1h"
normal_windows = 1

[gate]
loop_limit = "10000/hour"
pattern_limit = "10000/hour"
entity_attempts = "10000/hour"
explore_limit = "10000/hour"
cost_a_day = 1e6
concurrency = 1000
abnormal_share = 1.0
failed_share = 1.0

[levels]
default = "act"
novel = "act"
wrong = 1e-12           # the game is about learning: levels stay where they are
alarm_every = 1000000000
"""
ACTION_TOML = """
[actions.{name}]
cost = 0.0
limit = "10000/hour"
cooldown = "0s"
"""


def arms_of(game: Game) -> list[str]:
    """Return the names of the arms: the first is to do nothing."""
    return [NONE, *(f"arm-{number:02d}" for number in range(1, game.rewards.shape[1]))]


def settings_of(game: Game) -> Settings:
    """Return the settings of the loop that plays a game: those of `POLICY`."""
    actions = arms_of(game)[1:]
    text = LOOP_TOML.format(first=actions[0], floor=FLOOR, prior=POLICY.reward_prior)
    return parse(text + "".join(ACTION_TOML.format(name=name) for name in actions), name="loop.toml")


def draws_of(settings: Settings, rows: int) -> Floats:
    """Return the draws by which the loop chooses in each row: shape (rows,)."""
    return np.array([uniform("choice", settings.loop.seed, _episode(number), 1) for number in range(rows)])


class Rows:
    """A world: one row a day, and an hour later whether the entity was well: if what was done to it earned its reward
    of 1. `ran` are the arms, by their places.
    """

    def __init__(self, game: Game) -> None:
        self.ran = [0] * len(game.rows)
        self.tell: Callable[[Event], None] = lambda event: None  # noqa: ARG005, nobody listens
        self._game = game
        self._arms = arms_of(game)
        self._row = -1
        self._measures = False
        self._done = AtOnce()

    def next_time(self) -> int:
        at_us = START_US + self._row * DAY_US
        if self._measures:
            return at_us + HOUR_US
        return at_us + DAY_US if self._row + 1 < len(self.ran) else NEVER_US

    def telemetry(self, now_us: int) -> list[Telemetry]:
        if now_us < self.next_time():
            return []
        if self._measures:
            self._measures = False
            self.tell(self._measurement(now_us))
            return []
        self._row += 1
        self._measures = True
        onset = self._onset(now_us)
        self.tell(onset)
        values = {name: one.mean for name, one in onset.signature.items()}
        return [Telemetry(entity=onset.entity, time=now_us, values=values)]

    def act(self, action: Action, now_us: int) -> None:
        self.ran[self._row] = self._arms.index(action.action)
        self._done.end(action, now_us)

    def outcomes(self, now_us: int) -> list[Outcome]:
        del now_us
        return self._done.take()

    def _onset(self, now_us: int) -> Episode:
        values = enumerate((UNIT * self._game.rows[self._row]).tolist())
        return Episode(
            id=f"onset-{self._row}",
            time_us=now_us,
            episode=_episode(self._row),
            entity=f"entity-{self._row}",
            phase="onset",
            opened_us=now_us,
            windows=1,
            severity=UNIT,
            confidence=1.0,
            signature={f"{number:03d}": MetricSignature(mean=mean, peak=mean, trend=0.0) for number, mean in values},
        )

    def _measurement(self, now_us: int) -> Measurement:
        return Measurement(
            id=f"measurement-{self._row}",
            time_us=now_us,
            entity=f"entity-{self._row}",
            episode=_episode(self._row),
            start_us=now_us - HOUR_US + SECOND_US,
            end_us=now_us,
            samples=1,
            abnormal=bool(self._game.rewards[self._row, self.ran[self._row]] < HALF),
            score=0.0,
            values={},
        )


def played(game: Game) -> list[int]:
    """Return which arm the product ran in each row of a game; the draws of the game are not used."""
    settings, world = settings_of(game), Rows(game)
    driver = Driver(
        settings=DriverSettings(
            loop=settings.loop.name,
            start_us=START_US - DAY_US - 1,
            tick_us=1_000,
            partitions=1,
            executors=1,
            settings_hash=settings.settings_hash,
            steps_per_snapshot=NEVER_US,
            roles=("decide", "gate"),
        ),
        make_role=partial(_role, settings),
        world=world,
    )
    world.tell = driver.publish
    driver.run(telemetry_events=len(game.rows))
    return world.ran


def _episode(number: int) -> str:
    return f"row-{number}"


def _role(settings: Settings, role: str, partition: int) -> Role:
    return make_decoded_role(settings, role=role, partition=partition)
