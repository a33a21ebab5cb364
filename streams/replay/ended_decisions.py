"""The loop's decisions in a log that have ended, with what became of each: one per episode.

Only the first proposal of an episode was drawn as its propensity says. Another attempt is made where the first was
denied, with the arm that the episode has already: it is a part of what became of the first, as is what a person did.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from schemas.events import NONE, Event, Experience, Proposal, Verdict
from schemas.keyring import LOOP
from streams.loop.rewards import reward_of

TAUGHT = ("observed", "defaulted", "late")
"""States of an experience whose reward counts."""
LATER = " later"
"""What is behind the name of an action that another attempt, or a person, ran in the place of the first proposal: it
happened, but earns otherwise than the same action at once.
"""
KEPT = 55_000
"""Episodes that are kept: the latest."""
MOST_PROPOSALS = 16
"""So many proposals of an episode are looked at: a policy's attempts, and what people did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """One decision of the loop that has ended: `happened` is the effective action; `reward` is None where unseen."""

    proposal: Proposal
    happened: str
    reward: float | None


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


@dataclass(frozen=True, slots=True)
class _End:
    """What is kept of an experience."""

    effective: str
    reward: float | None
    cost: float
    decided_us: int


@dataclass(slots=True)
class _Episode:
    """The proposals about an episode in order, and how they ended."""

    proposals: list[Proposal] = field(default_factory=list)
    ends: dict[str, _End] = field(default_factory=dict)

    def by_loop(self) -> list[Proposal]:
        return [one for one in self.proposals if one.by == LOOP]

    def open_us(self) -> int | None:
        """Return when the loop made the latest of its proposals that have not ended."""
        return max((one.time_us for one in self.by_loop() if one.id not in self.ends), default=None)

    def decided(self, horizon_us: int) -> Decided | None:
        """Return the first decision of the loop with what became of it."""
        first = next(iter(self.by_loop()), None)
        if first is None or first.id not in self.ends:
            return None
        end = self.ends[first.id]
        others = (self.ends[one.id] for one in self.proposals if one.id != first.id and one.id in self.ends)
        later = sorted((one for one in others if one.decided_us >= end.decided_us), key=lambda one: one.decided_us)
        happened, reward = _became(end, later, horizon_us)
        return Decided(proposal=first, happened=happened, reward=reward)


def read_decisions(events: Iterable[Event], *, horizon_us: int, wait_us: int, most: int = KEPT) -> Record:
    """Return what verdicts and experiences say, each verdict before its experience; the last word on one counts. What
    the loop did without an episode, for a life as a whole, is no decision of this kind.

    `horizon_us` is how long after a decision its reward is measured, `wait_us` the longest that a decision takes to
    end. Memory is bounded by `most` episodes.
    """
    episodes: OrderedDict[str, _Episode] = OrderedDict()
    places: dict[str, str] = {}
    older = last_us = 0
    for event in events:
        last_us = max(last_us, event.time_us)
        if isinstance(event, Verdict) and (event.proposal.episode or event.proposal.by != LOOP):
            _propose(episodes, places, event.proposal)
            while len(episodes) > most:
                _, gone = episodes.popitem(last=False)
                older += bool(gone.by_loop())
                for one in gone.proposals:
                    del places[one.id]
        elif isinstance(event, Experience) and event.is_outcome and event.proposal in places:
            episodes[places[event.proposal]].ends[event.proposal] = _end(event)
    mine = [one for one in episodes.values() if one.by_loop()]
    ended = [one.decided(horizon_us) for one in mine[: _first_open(mine, last_us - wait_us)]]
    decided = [one for one in ended if one is not None]
    return Record(
        decided=decided,
        open=len(mine) - len(decided),
        by_people=sum(one.by != LOOP for episode in episodes.values() for one in episode.proposals),
        repeats=sum(len(one.by_loop()) - 1 for one in mine),
        older=older,
    )


def _propose(episodes: OrderedDict[str, _Episode], places: dict[str, str], proposal: Proposal) -> None:
    """Note a proposal with its episode, or, where a person's has none, as one of its own."""
    key = proposal.episode or proposal.id
    episode = episodes.setdefault(key, _Episode())
    if proposal.id not in places and len(episode.proposals) < MOST_PROPOSALS:
        places[proposal.id] = key
        episode.proposals.append(proposal)


def _end(event: Experience) -> _End:
    reward = reward_of(event) if event.state in TAUGHT else None
    return _End(event.effective, reward, event.cost, event.decided_us)


def _first_open(episodes: Sequence[_Episode], since_us: int) -> int:
    """Return the place of the first decision that may yet end: what is denied ends sooner than what is measured, so of
    those that follow only what was denied would be known.
    """
    for at, one in enumerate(episodes):
        if (open_us := one.open_us()) is not None and open_us >= since_us:
            return at
    return len(episodes)


def _became(first: _End, later: Sequence[_End], horizon_us: int) -> tuple[str, float | None]:
    """Return what happened and its reward: where nothing was done at first, what another attempt or a person then did.
    Whose reward it is where several acted, nobody knows.
    """
    acts = [one for one in later if one.effective != NONE]
    if first.effective != NONE:
        return first.effective, None if acts else first.reward
    if acts:
        return f"{acts[0].effective}{LATER}", None if len(acts) > 1 else _since(first, acts[0], horizon_us)
    return NONE, first.reward  # what another attempt to do nothing earned is of those alone that did not end before it


def _since(first: _End, end: _End, horizon_us: int) -> float | None:
    """Return a reward as the first decision counts it: the trouble lasted while the later one was waited for."""
    if end.reward is None:
        return None
    return max(-end.cost, end.reward - (end.decided_us - first.decided_us) / horizon_us)
