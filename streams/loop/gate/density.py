"""Whether outcomes of a pattern are dense, fast and plain enough to learn from; if not, no level rises to `approve`,
and what was raised above `suggest` is lowered again.

It looks at what doing nothing came to, which is always measured, before any action is taken.
"""

import math
from typing import Literal

import msgspec

from streams.loop.durations import format_duration
from streams.loop.gate.settings import LevelSettings

Lack = Literal["unknown", "unmeasured", "needless", "slow", "sparse", "noisy"]
"""What outcomes lack: nothing is known of them yet, too few are measured, doing nothing does as well, they come too
late, too rarely, or tell too little from chance.
"""
LACKS: tuple[Lack, ...] = ("unknown", "unmeasured", "needless", "slow", "sparse", "noisy")
LEAST = 2
"""Outcomes of doing nothing, and decisions, below which nothing is said of them."""
_HOPED = 0.5
"""How much of what doing nothing leaves to be gained an action is taken to gain, before one has run."""
_LOWERED_AT = 2
"""What was raised is lowered where it would take so many times as long as it may: chance alone does not."""
_UNITS_US = (86_400_000_000, 3_600_000_000, 60_000_000, 1_000_000)


class Thin(msgspec.Struct, frozen=True):
    """Why outcomes do not suffice, with the numbers, and what would change that."""

    lack: Lack
    detail: str
    remedy: str


class Feedback(msgspec.Struct, array_like=True):
    """The decisions about a pattern whose window ended: when the first was made, of how many doing nothing was
    measured (`known`), and how many there were in all.

    As of `at_us`, and faded since (by 1 / e in `levels.earn_within`), so that only what is so of late counts: how many
    were judged, of how many nothing could be measured, how long the others took, and count, sum and sum of squares of
    what doing nothing earned.
    """

    first_us: int
    at_us: int
    decisions: int = 0
    known: int = 0
    judged: float = 0.0
    unobservable: float = 0.0
    delay_us: float = 0.0
    count: float = 0.0
    total: float = 0.0
    squares: float = 0.0

    def add(self, *, decided_us: int, now_us: int, reward: float | None, nothing: bool, fade_us: int) -> None:
        """Count one decision."""
        self._fade(now_us, fade_us)
        self.decisions += 1
        self.judged += 1.0
        if reward is None:
            self.unobservable += 1.0
            return
        self.delay_us += max(0, now_us - decided_us)
        if nothing:
            self.known += 1
            self.count += 1.0
            self.total += reward
            self.squares += reward * reward

    def apart_us(self, now_us: int, fade_us: int) -> float:
        """Return how much time there is to an outcome of doing nothing, on average, of late."""
        since_us = max(0, now_us - self.first_us)
        seen_us = -fade_us * math.expm1(-since_us / fade_us)
        count = self.count * self._kept(now_us, fade_us)
        return seen_us / count if count > 0.0 else math.inf

    @property
    def mean(self) -> float:
        """Return what doing nothing earned."""
        return self.total / self.count

    @property
    def variance(self) -> float:
        """Return the variance of that."""
        spread = max(0.0, self.squares / self.count - self.mean**2)
        return spread * self.known / (self.known - 1)

    def _fade(self, now_us: int, fade_us: int) -> None:
        kept = self._kept(now_us, fade_us)
        self.at_us = max(self.at_us, now_us)
        self.judged *= kept
        self.unobservable *= kept
        self.delay_us *= kept
        self.count *= kept
        self.total *= kept
        self.squares *= kept

    def _kept(self, now_us: int, fade_us: int) -> float:
        return math.exp(-max(0, now_us - self.at_us) / fade_us)


def too_thin(
    feedback: Feedback | None, settings: LevelSettings, now_us: int, *, cost: float = 0.0, raised: bool = False
) -> Thin | None:
    """Return why outcomes do not suffice for an action of this cost; None when they do. What was `raised` needs less:
    what it has shown of its effect is judged elsewhere, and it is lowered where outcomes surely do not suffice.
    """
    if feedback is not None and feedback.decisions >= LEAST:
        share = feedback.unobservable / feedback.judged
        if share > settings.unobservable:
            return Thin(
                "unmeasured",
                f"of {share:.0%} of {feedback.decisions} decisions nothing could be measured",
                f"measure these entities throughout attribute.horizon, of which at most {settings.unobservable:.0%} "
                "(levels.unobservable) may go unmeasured",
            )
    known = 0 if feedback is None else feedback.known
    if feedback is None or known < LEAST or feedback.count <= 0.0:
        return Thin(
            "unknown",
            f"{known} outcomes of doing nothing are known, at least {LEAST} must be",
            "time, and a share of `none` in policy.hold_out, bring them",
        )
    room = 1.0 - cost - feedback.mean
    if room <= max(0.0, settings.effect):
        return Thin(
            "needless",
            f"doing nothing earns {feedback.mean:.2f} already, and the action {1.0 - cost:.2f} at most",
            "a shorter attribute.horizon would count what a faster recovery is worth",
        )
    return _beyond(feedback, settings, now_us, gain=_HOPED * room, times=_LOWERED_AT if raised else 1)


def _beyond(feedback: Feedback, settings: LevelSettings, now_us: int, *, gain: float, times: int) -> Thin | None:
    """Return what makes it take more than `times` as long as it may to earn `act`: the first that alone is too much, of
    how late outcomes are, how rarely they come, and how many it takes to tell the gain from chance.
    """
    may_us = times * settings.earn_within_us
    apart_us = feedback.apart_us(now_us, settings.earn_within_us)
    delay_us = feedback.delay_us / max(feedback.judged - feedback.unobservable, 1e-300)
    least, needed = settings.outcomes, max(settings.outcomes, _rounds(gain, feedback.variance, settings.wrong))
    if needed * apart_us + delay_us <= may_us:
        return None
    takes_us = min(needed * apart_us + delay_us, 1e18)
    enough = f"or levels.earn_within of {_text(takes_us / times)} or more"
    told = f"{needed} outcomes of doing nothing, one in {_text(apart_us)}, each {_text(delay_us)} late, would take "
    told += f"{_text(takes_us)}, more than {_text(may_us)}"
    if delay_us > may_us or least * apart_us <= may_us < least * apart_us + delay_us:
        left = f"an attribute.horizon below {_text(may_us - least * apart_us)}" if least * apart_us < may_us else ""
        return Thin("slow", told, f"{left or 'a shorter attribute.horizon'}, {enough}")
    if least * apart_us + delay_us > may_us:
        often = _text((may_us - delay_us) / least)
        return Thin("sparse", told, f"one in {often} or less, by more entities or a larger policy.hold_out, {enough}")
    told += f"; {least} would do if what doing nothing earns (deviation {math.sqrt(feedback.variance):.2f}) varied less"
    return Thin("noisy", told, f"steadier measurements, {enough}")


def _text(us: float) -> str:
    """Return a duration in the largest unit of which there are two, in whole ones."""
    unit_us = next((unit_us for unit_us in _UNITS_US if us >= 2 * unit_us), _UNITS_US[-1])
    return format_duration(max(1, round(min(us, 1e18) / unit_us)) * unit_us)


def _rounds(gain: float, variance: float, wrong: float) -> int:
    """Return about how many rounds of an outcome of the action and one of doing nothing, that vary alike, tell a gain
    from chance: a bet on it grows by gain^2 / 2 (2 variance + gain^2) a round.
    """
    return math.ceil(2.0 * math.log(1.0 / wrong) * (2.0 * variance + gain * gain) / (gain * gain))
