"""Whether outcomes of a pattern are dense, fast and plain enough to learn from; if not, no level rises to `approve`.

It looks at what doing nothing came to, which is always measured, before any action is taken.
"""

import math

import msgspec

from streams.learners.confidence_sequences import Moments
from streams.loop.durations import format_duration
from streams.loop.gate.settings import LevelSettings

_SECOND_US = 1_000_000


class Feedback(msgspec.Struct, array_like=True):
    """The decisions about a pattern whose window ended: when the first was made, how many there were and of how many
    nothing could be measured, how long the others took, and what doing nothing earned.
    """

    first_us: int
    judged: int = 0
    unobservable: int = 0
    delay_us: int = 0
    nothing: Moments = msgspec.field(default_factory=Moments)

    def add(self, *, decided_us: int, now_us: int, reward: float | None, nothing: bool) -> None:
        """Count one decision."""
        self.judged += 1
        if reward is None:
            self.unobservable += 1
            return
        self.delay_us += max(0, now_us - decided_us)
        if nothing:
            self.nothing.add(reward)


def too_thin(feedback: Feedback | None, settings: LevelSettings, now_us: int) -> str | None:
    """Return why outcomes do not suffice, with the numbers; None when they do."""
    if feedback is None or feedback.nothing.count < 2:
        known = 0 if feedback is None else feedback.nothing.count
        return f"{known} outcomes of doing nothing are known, at least 2 must be; policy.hold_out brings them"
    share = feedback.unobservable / feedback.judged
    if share > settings.unobservable:
        return f"of {share:.0%} of {feedback.judged} decisions nothing could be measured"
    gain = 1.0 - feedback.nothing.mean
    if gain <= settings.effect or gain <= 0.0:
        return f"doing nothing earns {feedback.nothing.mean:.2f} already: there is nothing to gain"
    needed = max(settings.outcomes, _rounds(gain, feedback.nothing.variance, settings.wrong))
    apart_us = (now_us - feedback.first_us) / feedback.judged
    delay_us = feedback.delay_us / (feedback.judged - feedback.unobservable)
    within_us = int(needed * apart_us + delay_us)
    if within_us <= settings.earn_within_us:
        return None
    every, each = (format_duration(max(1, int(us) // _SECOND_US) * _SECOND_US) for us in (apart_us, delay_us))
    earned = format_duration(within_us // _SECOND_US * _SECOND_US)
    return f"{needed} outcomes, one in {every}, each {each} late, would take {earned}"


def _rounds(gain: float, variance: float, wrong: float) -> int:
    """Return about how many outcomes tell a gain from noise: a bet on it grows by gain^2 / 2 (variance + gain^2)."""
    return math.ceil(2.0 * math.log(1.0 / wrong) * (variance + gain * gain) / (gain * gain))
