"""What verdicts and experiences say about each episode: the proposals about it in order, and how they ended."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from schemas.events import ASK, NONE, Event, Experience, Proposal, Verdict
from schemas.keyring import LOOP
from streams.loop.account.answers import answer_in
from streams.loop.asking import unasked
from streams.loop.denials import without_it_us
from streams.loop.rewards import reward_of
from streams.settings import Settings

TAUGHT = ("observed", "defaulted", "late")
"""States of an experience whose reward counts."""
KEPT = 55_000
"""Episodes that are kept: the latest."""
MOST_PROPOSALS = 16
"""So many proposals of an episode are looked at: a policy's attempts, and what people did. Of later ones as many are
counted of which something came.
"""
EXPLORATION = "exploration"
"""The gate's check that an action which does not look best may be tried."""


@dataclass(frozen=True, slots=True)
class End:
    """What is kept of an experience: the last word on a proposal, said at `told_us`. `choice` is what happened among
    all that could be chosen: `ask`, or the effective action; of the cost, `look_cost` is that of a person's look, and
    `by_itself` is the reward of the effective action from `decided_us` on, without that.
    """

    effective: str
    reward: float | None
    cost: float
    decided_us: int
    told_us: int
    choice: str
    look_cost: float
    by_itself: float | None


@dataclass(slots=True)
class DecidedEpisode:
    """The proposals about an episode in order, the first `MOST_PROPOSALS`, and how they ended, by their ids; of later
    ones the ends are there that something was done or spent in. `answers` are the ids of those that people gave;
    `retries_us` when those of the loop's that were denied with a time, or for what rests on their action alone, may be
    repeated; `stopped` those that the gate would not let explore when it last looked. `last` is the id and time of the
    loop's latest proposal beyond those, while it has not ended.
    """

    proposals: list[Proposal] = field(default_factory=list)
    ends: dict[str, End] = field(default_factory=dict)
    answers: set[str] = field(default_factory=set)
    retries_us: dict[str, int] = field(default_factory=dict)
    stopped: set[str] = field(default_factory=set)
    last: tuple[str, int] | None = None

    def by_loop(self) -> list[Proposal]:
        """Return the loop's own proposals."""
        return [one for one in self.proposals if one.by == LOOP]

    def open_us(self) -> int | None:
        """Return when the loop made the latest of its proposals that have not ended."""
        last = [] if self.last is None else [self.last[1]]
        return max([*last, *(one.time_us for one in self.by_loop() if one.id not in self.ends)], default=None)

    def retry_us(self, attempts: int) -> int | None:
        """Return when the loop may make another of so many `attempts`, if the episode is not over by then."""
        mine = self.by_loop()
        return self.retries_us.get(mine[-1].id) if len(mine) < attempts else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Episodes:
    """Episodes in the order of their first proposals; of the loop's own, `older` ones are not kept. `last_us` is the
    time of the latest event. `lives` are the loop's decisions on a life as a whole that have ended.
    """

    all: Sequence[DecidedEpisode]
    older: int
    last_us: int
    lives: int

    @property
    def mine(self) -> list[DecidedEpisode]:
        """The episodes about which the loop made a proposal."""
        return [one for one in self.all if one.by_loop()]


def read_episodes(events: Iterable[Event], *, most: int = KEPT) -> Episodes:
    """Fold verdicts and experiences, each verdict before its experience. What the loop did without an episode, for a
    life as a whole, is left out, and counted. Memory is bounded by `most` episodes.
    """
    episodes: OrderedDict[str, DecidedEpisode] = OrderedDict()
    places: dict[str, str] = {}
    older = last_us = lives = 0
    for event in events:
        last_us = max(last_us, event.time_us)
        if isinstance(event, Verdict) and (event.proposal.episode or event.proposal.by != LOOP):
            _propose(episodes, places, event)
            while len(episodes) > most:
                _, gone = episodes.popitem(last=False)
                older += bool(gone.by_loop())
                for one in gone.proposals:
                    del places[one.id]
        elif isinstance(event, Experience) and event.is_outcome:
            lives += not event.episode and event.by == LOOP and event.state != "late"  # a default told of it before
            episode = episodes.get(places.get(event.proposal, event.episode))
            if episode is not None:
                _note_end(episode, event, is_kept=event.proposal in places)
    return Episodes(all=list(episodes.values()), older=older, last_us=last_us, lives=lives)


def wait_us(settings: Settings) -> int:
    """Return the longest that a decision takes to end: to be answered, by people too, and then measured."""
    attribute = settings.attribute
    return settings.policy.expires_us + attribute.escalation_us + attribute.horizon_us + attribute.grace_us


def least_reward(costs: Iterable[float]) -> float:
    """Return the least that an episode can earn where one action was taken, by the costs of all; 1 is the most."""
    return -max(costs, default=0.0)


def costs_of(settings: Settings) -> dict[str, float]:
    """Return the most that each choice but `none` can cost: asking, the look and the dearest action."""
    costs = {name: action.cost for name, action in settings.actions.items()}
    if settings.policy.ask_cost is not None:
        costs[ASK] = settings.policy.ask_cost + max(costs.values(), default=0.0)
    return costs


def first_open(episodes: Sequence[DecidedEpisode], since_us: int) -> int:
    """Return the place of the first decision that may yet end: what is denied ends sooner than what is measured, so of
    those that follow only what was denied would be known.
    """
    for at, one in enumerate(episodes):
        if (open_us := one.open_us()) is not None and open_us >= since_us:
            return at
    return len(episodes)


def _propose(episodes: OrderedDict[str, DecidedEpisode], places: dict[str, str], verdict: Verdict) -> None:
    """Note a proposal and the answer to it with its episode, or, where a person's has none, as one of its own."""
    proposal = verdict.proposal
    key = proposal.episode or proposal.id
    episode = episodes.setdefault(key, DecidedEpisode())
    if proposal.id not in places and len(episode.proposals) < MOST_PROPOSALS:
        places[proposal.id] = key
        episode.proposals.append(proposal)
    if (answer := answer_in(verdict)) is not None and len(episode.answers) < MOST_PROPOSALS:
        episode.answers.add(answer)
    if proposal.id in places:
        _may_retry(episode, verdict)
    elif proposal.by == LOOP:
        episode.last = (proposal.id, proposal.time_us)


def _note_end(episode: DecidedEpisode, event: Experience, *, is_kept: bool) -> None:
    """Note how a proposal ended; of one beyond those that are kept, if anything was done or spent."""
    if episode.last is not None and episode.last[0] == event.proposal:
        episode.last = None
    end = _end(event)
    is_beyond = len(episode.proposals) == MOST_PROPOSALS and len(episode.ends) < 2 * MOST_PROPOSALS
    if is_kept or event.proposal in episode.ends or (is_beyond and (end.effective != NONE or end.cost > 0.0)):
        episode.ends[event.proposal] = end


def _may_retry(episode: DecidedEpisode, verdict: Verdict) -> None:
    episode.retries_us.pop(verdict.proposal.id, None)
    times_us = [us for us in (verdict.retry_after_us, without_it_us(verdict)) if us is not None]
    if verdict.verdict == "deny" and times_us:
        episode.retries_us[verdict.proposal.id] = max(times_us)
    for check in verdict.checks:
        if check.name == EXPLORATION and check.passed:
            episode.stopped.discard(verdict.proposal.id)
        elif check.name == EXPLORATION:
            episode.stopped.add(verdict.proposal.id)


def _end(event: Experience) -> End:
    reward = reward_of(event) if event.state in TAUGHT else None
    by_itself = None if reward is None else reward_of(unasked(event))
    choice = event.effective if event.state == "censored" else event.earned_by
    look_cost = event.look_cost or 0.0
    return End(event.effective, reward, event.cost, event.decided_us, event.time_us, choice, look_cost, by_itself)
