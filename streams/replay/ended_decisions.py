"""The loop's decisions in a log that have ended, with what became of each: one per episode.

Only the first proposal of an episode was drawn as its propensity says. Another attempt is made where the first was
denied, with the arm that the episode has already: it is a part of what became of the first, as is what a person did.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from schemas.events import NONE, Event, Proposal
from schemas.keyring import LOOP
from streams.replay.episodes import KEPT, DecidedEpisode, End, first_open, read_episodes

LATER = " later"
"""What is behind the name of an action that another attempt, or a person, ran in the place of the first proposal: it
happened, but earns otherwise than the same action at once.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """One decision of the loop that has ended: `happened` is the effective action, or `ask` where a person was asked by
    choice, whatever was answered; `reward` is None where unseen. `stopped`: that it explored was reason enough for the
    gate to deny it, whatever else it met.
    """

    proposal: Proposal
    happened: str
    reward: float | None
    stopped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Ended decisions in order; and how many are `open`: have not ended, or came after one that may yet; how many were
    people's own, were `repeats` of earlier ones, or are `older` than what is kept.
    """

    decided: Sequence[Decided]
    open: int = 0
    by_people: int = 0
    repeats: int = 0
    older: int = 0


def read_decisions(events: Iterable[Event], *, horizon_us: int, wait_us: int, most: int = KEPT) -> Record:
    """Return what verdicts and experiences say, each verdict before its experience; the last word on one counts. What
    the loop did without an episode, for a life as a whole, is no decision of this kind.

    `horizon_us` is how long after a decision its reward is measured, `wait_us` the longest that a decision takes to
    end. Memory is bounded by `most` episodes.
    """
    episodes = read_episodes(events, most=most)
    mine = episodes.mine
    ended = [_decided(one, horizon_us) for one in mine[: first_open(mine, episodes.last_us - wait_us)]]
    decided = [one for one in ended if one is not None]
    return Record(
        decided=decided,
        open=len(mine) - len(decided),
        by_people=sum(one.by != LOOP for episode in episodes.all for one in episode.proposals),
        repeats=sum(len(one.by_loop()) - 1 for one in mine),
        older=episodes.older,
    )


def _decided(episode: DecidedEpisode, horizon_us: int) -> Decided | None:
    """Return the first decision of the loop with what became of it."""
    first = next(iter(episode.by_loop()), None)
    if first is None or first.id not in episode.ends:
        return None
    end = episode.ends[first.id]
    others = (other for name, other in episode.ends.items() if name != first.id)
    later = sorted((one for one in others if one.decided_us >= end.decided_us), key=lambda one: one.decided_us)
    happened, reward = _became(end, later, first.time_us, horizon_us)
    stopped = first.id in episode.stopped
    if stopped and first.asked:  # only a no was heard out: what a yes would have come to is missing
        reward = None
    return Decided(proposal=first, happened=happened, reward=reward, stopped=stopped)


def _became(first: End, later: Sequence[End], since_us: int, horizon_us: int) -> tuple[str, float | None]:
    """Return what happened and its reward: where nothing was done at first, what another attempt or a person then did.
    Whose reward it is where several acted, nobody knows.
    """
    acts = [one for one in later if one.effective != NONE]
    if first.effective != NONE:
        return first.choice, None if acts else first.reward
    if acts:
        return f"{acts[0].effective}{LATER}", None if len(acts) > 1 else _since(since_us, first, acts[0], horizon_us)
    # what another attempt to do nothing earned is of those alone that did not end before it
    return first.choice, first.reward


def _since(proposed_us: int, first: End, end: End, horizon_us: int) -> float | None:
    """Return a reward as the first decision counts it, from its proposal on: the trouble lasted until the later action
    was let through, and people looked where they were asked about either.
    """
    if end.by_itself is None:
        return None
    left = end.by_itself - (end.decided_us - proposed_us) / horizon_us
    return max(end.look_cost - end.cost, left) - first.look_cost - end.look_cost
