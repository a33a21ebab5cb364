"""The episodes of a hold-out in order, with what each was worth, whatever became of the proposals about it.

An episode belongs to the arm that its draw gave it, also where limits, people or executors had it otherwise (intention
to treat). Its worth counts from its first proposal on, by the same windows and the same rule in every arm: the share of
the horizon that recovery left over, less the cost of all that was done. What could not be measured counts as not
recovered: in every arm alike, so that an action which silences the measurement gains nothing by that.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from schemas.events import NONE, Event, Proposal
from streams.replay.episodes import KEPT, DecidedEpisode, first_open, read_episodes, wait_us
from streams.replay.neighbours import OF_NO_ARM, Neighbours
from streams.replay.watched import Place, Watched, watch
from streams.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """One episode of the hold-out. `told_us` is when its reward was known; `measured`: whether anything was.

    `likeliest` is the probability of the likeliest action of the loop's choice, `took_likeliest` whether that was
    drawn; `answers` those of people that led to a verdict, of which `paid` are in the cost already. `exposed`: within
    the horizon before it something was done to its entity, or to another of its group, by whomever; `crossed`: by
    another arm.
    """

    proposal: Proposal
    arm: str
    shares: Mapping[str, float]
    reward: float
    cost: float
    measured: bool
    acted: bool
    told_us: int
    answers: int
    paid: int
    likeliest: float
    took_likeliest: bool
    exposed: bool
    crossed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldOutLog:
    """The episodes in order; `open` may yet change, or came after one that may; of `unseen` ones the measurements are
    no longer kept, whatever their arm; `older` are not kept themselves. `lives` are decisions on a life as a whole.
    """

    episodes: Sequence[HeldOut]
    open: int
    unseen: int
    older: int
    lives: int


def read_held_out(
    ends: Iterable[Event], insights: Iterable[tuple[Place, Event]], settings: Settings, *, most: int = KEPT
) -> HoldOutLog:
    """Read a hold-out from `ends` (all verdicts, then the experiences) and `insights` (what detect said, with where it
    lies). `settings` are those of the run. Memory is bounded by `most` episodes.
    """
    episodes = read_episodes(ends, most=most)
    mine = [one for one in episodes.all if _is_drawn(one)]
    others = [one for one in episodes.all if not _is_drawn(one)]
    seen = watch(insights, [one.by_loop()[0] for one in mine], settings.attribute)
    ended = mine[: _first_open(mine, seen, episodes.last_us, settings)]
    neighbours = Neighbours([*ended, *others], horizon_us=settings.attribute.horizon_us)
    kept = [one for one in ended if seen.since_us is not None and one.by_loop()[0].time_us >= seen.since_us]
    return HoldOutLog(
        episodes=[_held_out(one, seen, neighbours, settings) for one in kept],
        open=len(mine) - len(ended),
        unseen=len(ended) - len(kept),
        older=episodes.older,
        lives=episodes.lives,
    )


def _is_drawn(episode: DecidedEpisode) -> bool:
    """Return whether the loop's first proposal about an episode was one of a hold-out."""
    return any(one.hold_out is not None for one in episode.by_loop()[:1])


def _first_open(mine: Sequence[DecidedEpisode], seen: Watched, last_us: int, settings: Settings) -> int:
    """Return the place of the first episode that may yet change: one that has not ended, that another attempt may be
    made at, or whose horizon has not passed.
    """
    since_us = last_us - wait_us(settings)
    horizon_us = settings.attribute.horizon_us + settings.attribute.grace_us
    for at, one in enumerate(mine[: first_open(mine, since_us)]):
        first, retry_us = one.by_loop()[0], one.retry_us(settings.policy.attempts)
        waits = retry_us is not None and retry_us >= since_us and first.episode not in seen.closed
        if waits or first.time_us + horizon_us > last_us:
            return at
    return first_open(mine, since_us)


def _held_out(episode: DecidedEpisode, seen: Watched, neighbours: Neighbours, settings: Settings) -> HeldOut:
    first = episode.by_loop()[0]
    assert first.hold_out is not None  # noqa: S101  # others were left out
    arms = neighbours.arms_beside(first)
    acts = [end for end in episode.ends.values() if end.effective != NONE]
    cost = sum(end.cost for end in episode.ends.values())
    horizon_us = settings.attribute.horizon_us + settings.attribute.grace_us
    measured = first.id in episode.ends and first.id in seen.rewards
    likeliest = max(first.probabilities, key=lambda name: (first.probabilities[name], name))
    return HeldOut(
        proposal=replace(first, features={}, parameters={}),
        arm=first.hold_out.arm,
        shares=first.hold_out.shares,
        reward=(seen.rewards[first.id] if measured else 0.0) - cost,
        cost=cost,
        measured=measured,
        acted=bool(acts),
        told_us=max([first.time_us + horizon_us, *(end.told_us for end in episode.ends.values())]),
        answers=len(episode.answers),
        paid=sum(end.look_cost > 0.0 for end in episode.ends.values()),
        likeliest=first.probabilities[likeliest],
        took_likeliest=first.choice == likeliest,
        exposed=bool(arms),
        crossed=bool(arms - {first.hold_out.arm, OF_NO_ARM}),
    )
