"""What is known of how often, how late and how varied outcomes of a pattern come."""

import math
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable

import msgspec

from schemas.events import Experience
from streams.loop.gate.runs import Run
from streams.loop.rewards import reward_of


class Feedback(msgspec.Struct, array_like=True):
    """The decisions about a pattern whose window ended. Of how many doing nothing was measured is `known`.

    The rest is as of `at_us`, and fades (by 1 / e in `levels.earn_within`), so that only what is so of late counts: the
    time in which this was seen, how many were judged, how many were measured, and of how many of them nothing was done
    (`count`). Means do not fade: how late what was measured was known, and mean and variance of what doing nothing
    earned. Rates are of sums that faded alike, so they stay what they are where `earn_within` becomes another.
    """

    at_us: int
    known: int = 0
    seen_us: float = 0.0
    judged: float = 0.0
    measured: float = 0.0
    delay_us: float = 0.0
    count: float = 0.0
    mean: float = 0.0
    spread: float = 0.0

    def add(self, *, decided_us: int, time_us: int, reward: float | None, nothing: bool, fade_us: int) -> None:
        """Count one decision of which was told at `time_us`."""
        self._fade(time_us, fade_us)
        self.judged += 1.0
        if reward is None:
            return
        self._measure(1.0, time_us - decided_us)
        if nothing:
            self.known += 1
            self._earn(1.0, reward, 0.0)

    def correct(self, *, decided_us: int, judged_us: int, time_us: int, fade_us: int) -> None:
        """Count one as measured after all that was judged as one of which nothing could be."""
        self._fade(time_us, fade_us)
        self._measure(math.exp(-max(0, time_us - judged_us) / fade_us), time_us - decided_us)
        self.measured = min(self.measured, self.judged)

    def merge(self, other: "Feedback", fade_us: int) -> None:
        """Count what is known of another pattern, over the same time, as known of this one."""
        self._fade(other.at_us, fade_us)
        other = other.as_of(self.at_us, fade_us)
        self.seen_us = max(self.seen_us, other.seen_us)
        self.judged += other.judged
        if other.measured > 0.0:
            self._measure(other.measured, other.delay_us)
        if other.count > 0.0:
            self._earn(other.count, other.mean, other.spread)
        self.known += other.known

    def as_of(self, now_us: int, fade_us: int) -> "Feedback":
        """Return what is left of it at a time."""
        now = msgspec.structs.replace(self)
        now._fade(now_us, fade_us)
        return now

    @property
    def apart_us(self) -> float:
        """Return how much time there is to an outcome of doing nothing, on average."""
        return self.seen_us / self.count if self.count > 0.0 else math.inf

    @property
    def variance(self) -> float:
        """Return the variance of what doing nothing earned, of two outcomes or more."""
        return self.spread * self.known / (self.known - 1)

    def _measure(self, weight: float, delay_us: float) -> None:
        self.measured += weight
        self.delay_us += (max(0.0, delay_us) - self.delay_us) * weight / self.measured if self.measured else 0.0

    def _earn(self, weight: float, mean: float, spread: float) -> None:
        """Pool moments (West, "Updating mean and variance estimates", CACM 22, 1979)."""
        count = self.count + weight
        share, apart = weight / count, mean - self.mean
        self.mean += apart * share
        self.spread = (1.0 - share) * self.spread + share * spread + share * (1.0 - share) * apart * apart
        self.count = count

    def _fade(self, now_us: int, fade_us: int) -> None:
        past = max(0, now_us - self.at_us) / fade_us
        kept = math.exp(-past)
        self.at_us = max(self.at_us, now_us)
        self.seen_us = self.seen_us * kept - fade_us * math.expm1(-past)
        self.judged *= kept
        self.measured *= kept
        self.count *= kept


class Feedbacks:
    """What is known by pattern, of `limit` at most: the one not heard of for longest is forgotten first, but of what
    was raised only where there are no others.
    """

    def __init__(self, *, fade_us: int, limit: int, kept: Callable[[], Collection[str]]) -> None:
        """`kept` returns the patterns of what was raised."""
        self._fade_us = fade_us
        self._limit = limit
        self._kept = kept
        self._of: OrderedDict[str, Feedback] = OrderedDict()

    def adopt(self, feedback: Iterable[tuple[str, Feedback]]) -> None:
        """Replace all."""
        self._of = OrderedDict(feedback)

    def state(self) -> list[tuple[str, Feedback]]:
        """Return all, the one not heard of for longest first."""
        return list(self._of.items())

    def of(self, pattern: str) -> Feedback | None:
        """Return what is known of a pattern."""
        return self._of.get(pattern)

    def feed(self, pattern: str, experience: Experience, *, nothing: bool) -> None:
        """Count what became of a decision, or of doing `nothing`; one of a life as a whole says nothing of episodes."""
        if not experience.episode:
            return
        self._of.setdefault(pattern, Feedback(experience.decided_us)).add(
            decided_us=experience.decided_us,
            time_us=experience.time_us,
            reward=reward_of(experience),
            nothing=nothing,
            fade_us=self._fade_us,
        )
        self._of.move_to_end(pattern)
        self._forget()

    def feed_run(self, pattern: str, run: Run, experience: Experience) -> None:
        """Count what became of a run, once; what is measured late takes back that nothing was."""
        measured, known = reward_of(experience) is not None, self._of.get(pattern)
        if not run.missed:
            self.feed(pattern, experience, nothing=False)
            run.unmeasured_us = None if measured else experience.time_us
        elif measured and run.unmeasured_us is not None and known is not None:
            known.correct(
                decided_us=experience.decided_us,
                judged_us=run.unmeasured_us,
                time_us=experience.time_us,
                fade_us=self._fade_us,
            )

    def join(self, pattern: str, into: str) -> None:
        """Count what is known of a pattern as known of another one."""
        known = self._of.pop(pattern, None)
        if known is None:
            return
        if into in self._of:
            self._of[into].merge(known, self._fade_us)
        else:
            self._of[into] = known

    def _forget(self) -> None:
        if len(self._of) <= self._limit:
            return
        *others, latest = self._of
        kept = self._kept()
        del self._of[next((name for name in others if name not in kept), others[0] if others else latest)]
