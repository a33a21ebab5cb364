"""Whether outcomes of a pattern are dense, fast and plain enough to learn from; if not, no level rises to `approve` or
to `act`, and what was raised above `suggest` is lowered again.

It looks at what doing nothing came to, which is always measured, before any action is taken.
"""

import math
from typing import Literal, get_args

import msgspec

from streams.loop.durations import LONGEST_US, format_duration
from streams.loop.gate.feedback import Feedback
from streams.loop.gate.settings import LevelSettings

Lack = Literal["unknown", "unmeasured", "needless", "slow", "sparse", "noisy"]
"""What outcomes lack: nothing is known of them yet, too few are measured, doing nothing does as well, they come too
late, too rarely, or tell too little from chance.
"""
LACKS: tuple[Lack, ...] = get_args(Lack)
LEAST = 2
"""Outcomes of doing nothing, and decisions, below which nothing is said of them."""
_HOPED = 0.5
"""How much of what doing nothing leaves to be gained an action is taken to gain, before one has run."""
_SLACK = 2
"""What was raised is lowered where it would take so many times as long as it may, so many times fewer are measured
than must be, or so many times the hoped gain would not do: chance alone does not bring that about.
"""
_LEAST_GAIN = 1e-6
_FORGOTTEN = 1e-9
"""What so little is left of says no longer when it was."""
_UNITS_US = (86_400_000_000, 3_600_000_000, 60_000_000, 1_000_000, 1_000, 1)


class Thin(msgspec.Struct, frozen=True):
    """Why outcomes do not suffice, with the numbers, and what would change that."""

    lack: Lack
    detail: str
    remedy: str


def too_thin(
    feedback: Feedback | None,
    settings: LevelSettings,
    now_us: int,
    *,
    alpha: float,
    cost: float = 0.0,
    raised: bool = False,
) -> Thin | None:
    """Return why outcomes do not suffice for an action of this cost, whose effect is tested at `alpha`; None when they
    do. What was `raised` is lowered only where outcomes surely do not suffice; what is told of it then is what it needs
    to rise again.
    """
    now = None if feedback is None else feedback.as_of(now_us, settings.earn_within_us)
    if raised and _lacking(now, settings, alpha=alpha, cost=cost, slack=_SLACK) is None:
        return None
    return _lacking(now, settings, alpha=alpha, cost=cost, slack=1)


def _lacking(
    feedback: Feedback | None, settings: LevelSettings, *, alpha: float, cost: float, slack: int
) -> Thin | None:
    if feedback is not None and feedback.judged >= LEAST:
        share = feedback.measured / feedback.judged
        if slack * share < 1.0 - settings.unobservable:
            return Thin(
                "unmeasured",
                f"of {1.0 - share:.0%} of {feedback.judged:.0f} decisions of late nothing could be measured",
                f"measure these entities throughout attribute.horizon, of which at most {settings.unobservable:.0%} "
                "(levels.unobservable) may go unmeasured",
            )
    if feedback is None or feedback.known < LEAST:
        return Thin(
            "unknown",
            f"{feedback.known if feedback else 0} outcomes of doing nothing are known, at least {LEAST} must be",
            "time, and a share of `none` in policy.hold_out, bring them",
        )
    gain = slack * _HOPED * (1.0 - cost - feedback.mean) - settings.effect
    if gain <= _LEAST_GAIN:
        detail = f"doing nothing earns {feedback.mean:.2f} already, and the action {1.0 - cost:.2f} at most"
        detail += f"; half of that more must be above levels.effect, {settings.effect:.2f}" if settings.effect else ""
        return Thin("needless", detail, "a shorter attribute.horizon would count what a faster recovery is worth")
    return _beyond(feedback, settings, gain=gain, alpha=alpha, may_us=slack * settings.earn_within_us)


def _beyond(feedback: Feedback, settings: LevelSettings, *, gain: float, alpha: float, may_us: int) -> Thin | None:
    """Return what makes it take longer than it may to earn `act`: the first that alone is too much, of how late
    outcomes are, how rarely they come, and how many it takes to tell the gain from chance.
    """
    apart_us, delay_us = feedback.apart_us, feedback.delay_us
    least, needed = (max(settings.outcomes, _rounds(gain, some, alpha)) for some in (0.0, feedback.variance))
    if needed * apart_us + delay_us <= may_us:
        return None
    told = f"{needed} outcomes of doing nothing, one in {_text(apart_us)}, each {_text(delay_us)} late, would take "
    told += f"{_text(needed * apart_us + delay_us)}, more than {_text(may_us)}"
    left_us = may_us - needed * apart_us
    enough = _enough(needed * _most_apart_us(feedback, settings.earn_within_us) + delay_us)
    if delay_us > may_us or least * apart_us <= may_us < least * apart_us + delay_us:
        late = f"outcomes at most {_text(left_us, up=False)} late, by " if left_us > 0 else ""
        return Thin("slow", told, f"{late}a shorter attribute.horizon{enough}")
    if least * apart_us + delay_us > may_us:
        often = _text((may_us - delay_us) / needed, up=False)
        return Thin("sparse", told, f"one in {often} or less, by more entities or a larger policy.hold_out{enough}")
    told += f"; {least} would do if what doing nothing earns (deviation {math.sqrt(feedback.variance):.2f}) varied less"
    return Thin("noisy", told, f"steadier measurements{enough}")


def _enough(us: float) -> str:
    return f", or levels.earn_within of {_text(us, up=True)} or more" if us < LONGEST_US else ""


def _most_apart_us(feedback: Feedback, fade_us: int) -> float:
    """Return how far outcomes are apart that come evenly, the latest just now: where few of them count, that one makes
    them look closer; infinity where what was before is as good as forgotten.
    """
    left = 1.0 - feedback.apart_us / fade_us
    return -fade_us * math.log(left) if left > _FORGOTTEN else math.inf


def _text(us: float, *, up: bool | None = None) -> str:
    """Return a duration in the largest unit of which there are two, in whole ones; or of two digits, rounded `up` or
    down.
    """
    us = min(max(us, 1.0), 1e18)
    fewest = 2 if up is None else 10
    unit_us = next((unit_us for unit_us in _UNITS_US if us >= fewest * unit_us), 1)
    if up is None:
        return format_duration(round(us / unit_us) * unit_us)
    step_us = unit_us * 10 ** max(0, int(math.log10(us / unit_us)) - 1)
    return format_duration((math.ceil if up else math.floor)(us / step_us) * step_us)


def _rounds(gain: float, variance: float, alpha: float) -> int:
    """Return about how many rounds of an outcome of the action and one of doing nothing, that vary alike, tell a gain
    from chance: a bet on it grows by gain^2 / 2 (2 variance + gain^2) a round.
    """
    return math.ceil(2.0 * math.log(1.0 / alpha) * (2.0 * variance + gain * gain) / (gain * gain))
