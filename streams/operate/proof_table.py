"""The episodes of a run's hold-out as columns, and the lift by some of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress, islice

import numpy as np
import numpy.typing as npt

from schemas.events import ARMS
from streams.learners.confidence_sequences import ALPHA
from streams.learners.lift import ArmDraws, Vector, between, foretell
from streams.operate.proof_fields import Lift
from streams.replay.episodes import costs_of, least_reward
from streams.replay.held_out import HeldOut
from streams.replay.logged_decisions import ROUNDING, frozen_since
from streams.settings import Settings

LOOP, BASELINE, NOTHING = range(len(ARMS))
Rows = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class HoldOutTable:
    """The episodes as columns; in `log` rewards are between 0 and 1, and `scale` is what 1 of that is. `people` is what
    the minutes of people cost, at most `people_most` an episode; one chooses among `actions` at most.
    """

    episodes: Sequence[HeldOut]
    log: ArmDraws
    scale: float
    actions: int
    people: Vector
    people_most: float

    def __len__(self) -> int:
        return len(self.episodes)

    def possible(self, *arms: int) -> bool:
        """Return whether an episode could be in each of some arms."""
        return bool(len(self) and np.all(self.log.shares[list(arms)] > 0.0))

    @property
    def over(self) -> int:
        """The arm over which the lift is told in detail: the baseline, or, where that has no share, doing nothing."""
        return BASELINE if self.log.shares[BASELINE] > 0.0 else NOTHING

    def everything(self) -> Rows:
        """Return all rows."""
        return np.ones(len(self), dtype=np.bool_)

    def known_us(self, rows: Rows, after: int) -> int:
        """Return when it was known what the first so many of some episodes came to."""
        return max(one.told_us for one in islice(compress(self.episodes, rows), after))

    def lift(self, arm: int, rows: Rows, *, alpha: float = ALPHA) -> Lift | None:
        """Return what the loop's arm earns more than another by some episodes; None without any."""
        if not (rows.any() and self.possible(LOOP, arm)):
            return None
        found = between(self.log.take(rows), LOOP, arm)
        low, high = found.interval(alpha=alpha)
        after = found.proven_after(alpha=alpha)
        return Lift(
            over=ARMS[arm],
            episodes=int(rows.sum()),
            lift=self.scale * found.mean(),
            low=self.scale * low,
            high=self.scale * high,
            proven_after=after,
            proven_us=None if after is None else self.known_us(rows, after),
        )


def unchanged_since(episodes: Sequence[HeldOut], settings: Settings) -> int:
    """Return from which episode on the baseline and the shares of all arms are those of the settings."""
    shares = settings.policy.hold_out
    since = frozen_since([one.proposal for one in episodes], settings.policy.baseline)
    for at in range(len(episodes) - 1, since - 1, -1):
        if any(abs(episodes[at].shares.get(arm, 0.0) - shares[arm]) > ROUNDING for arm in ARMS):
            return at + 1
    return since


def tabulated(episodes: Sequence[HeldOut], settings: Settings) -> HoldOutTable:
    """Return episodes as columns. Ranges follow from the settings, not from what was seen: a reward is at least what
    the dearest choice costs below 0, and what costs more counts as that. A look that the loop chose and paid for is not
    priced once more.
    """
    costs = costs_of(settings)
    low = least_reward(costs.values())
    patterns = {name: at for at, name in enumerate(sorted({one.proposal.pattern for one in episodes}))}
    rewards = (np.array([one.reward for one in episodes], dtype=np.float64) - low) / (1.0 - low)
    arms = np.array([ARMS.index(one.arm) for one in episodes], dtype=np.intp)
    rewards = np.clip(rewards, 0.0, 1.0)
    foretold = foretell(
        arms,
        np.array([patterns[one.proposal.pattern] for one in episodes], dtype=np.intp),
        rewards,
        decided=np.array([one.proposal.time_us for one in episodes], dtype=np.int64),
        told=np.array([one.told_us for one in episodes], dtype=np.int64),
    )
    shares = np.array([settings.policy.hold_out[arm] for arm in ARMS])
    price = settings.account.minutes_per_answer * settings.account.price_of_minute
    people = max((action.people_needed for action in settings.actions.values()), default=1)
    seen = max((len(one.proposal.probabilities) for one in episodes), default=1)
    return HoldOutTable(
        episodes=episodes,
        log=ArmDraws(arms=arms, shares=shares, rewards=rewards, foretold=foretold),
        scale=1.0 - low,
        actions=max(len(costs) + 1, seen),  # more than the settings name only where they changed
        people=price * np.array([one.answers - one.paid for one in episodes], dtype=np.float64),
        people_most=price * people * settings.policy.attempts,
    )
