"""The gate's books: what is open, under way, cooling down and spent, and how actions ended."""

from collections.abc import Mapping

import msgspec

from schemas.events import Action, Census, Episode, Outcome, Proposal
from streams.loop.actions import ActionSettings
from streams.loop.gate.settings import GateSettings
from streams.loop.gate.state import End, Field, InFlight, Share
from streams.loop.limits import Limits, SlidingWindows, parse_limits

TIGHTENED = 2
"""What the limit of an action is divided by when its runs end badly, until a person re-arms it."""

NOTHING = parse_limits("0/day")


class Book:
    """Folds what happens; every question it answers is about the present `now_us`."""

    def __init__(self, settings: GateSettings, *, actions: Mapping[str, ActionSettings]) -> None:
        self._settings = settings
        self._actions = actions
        self._limits = {
            "loop": parse_limits(settings.loop_limit),
            "pattern": parse_limits(settings.pattern_limit),
            "entity": parse_limits(settings.entity_attempts),
            **{f"action:{name}": parse_limits(action.limit) for name, action in actions.items()},
        }
        self.windows = SlidingWindows(limits_of=self._limits_of, keys_max=settings.tracked)
        self.field = Field()

    def see_episode(self, episode: Episode) -> None:
        """Note that an episode is open, or over for good."""
        episodes = self.field.episodes
        open_before = episodes.get(episode.episode, True)
        episodes[episode.episode] = open_before and episode.phase != "closed"
        if len(episodes) > self._settings.tracked:
            del episodes[next(iter(episodes))]

    def see_census(self, census: Census) -> None:
        """Note the latest census of a partition and group."""
        known = self.field.shares.get(census.key())
        if known is None or known.time_us < census.time_us:
            self.field.shares[census.key()] = Share(census.live, census.abnormal, census.time_us)
        if len(self.field.shares) > self._settings.tracked:
            del self.field.shares[min(self.field.shares, key=lambda key: (self.field.shares[key].time_us, key))]

    def reserve(self, proposal: Proposal, action: Action) -> None:
        """Spend one of every allowance that this action falls under."""
        for key in scopes_of(proposal):
            self.windows.reserve(key, action.issued_us)
        deadline_us = action.expires_us + self._settings.outcome_timeout_us
        self.field.in_flight[action.id] = InFlight(action.action, action.entity, deadline_us)

    def see_outcome(self, outcome: Outcome, now_us: int) -> None:
        """End an action; only who claimed it first can, and an end that was counted before counts no more."""
        under_way = self.field.in_flight.get(outcome.action)
        if under_way is None or under_way.executor not in (None, outcome.executor):
            return
        if outcome.state == "claimed":
            self.field.in_flight[outcome.action] = msgspec.structs.replace(under_way, executor=outcome.executor)
            return
        del self.field.in_flight[outcome.action]
        if outcome.state != "refused":  # it never ran
            self._ended(under_way, outcome.state != "succeeded", now_us)

    def give_up(self, action: str, now_us: int) -> None:
        """Count the end of an action as unknown: its executor did not say."""
        self._ended(self.field.in_flight.pop(action), bad=True, now_us=now_us)

    def rearm(self, target: str) -> None:
        """Lift what tightened by itself and forget bad ends, of `action:NAME` or of the whole `loop`."""
        for name in self._actions:
            if target in ("loop", f"action:{name}"):
                self.windows.loosen(f"action:{name}")
                self.field.ends.pop(name, None)

    def abnormal(self, now_us: int) -> tuple[int, int]:
        """Return how many entities are abnormal and live, by the censuses that are young enough."""
        oldest_us = now_us - self._settings.census_age_us
        fresh = [share for share in self.field.shares.values() if share.time_us >= oldest_us]
        return sum(share.abnormal for share in fresh), sum(share.live for share in fresh)

    def storming(self, now_us: int) -> bool:
        """Return whether so many entities are abnormal that acting on each of them is wrong."""
        abnormal, live = self.abnormal(now_us)
        return abnormal >= self._settings.abnormal_least and abnormal > self._settings.abnormal_share * live

    def bad_ends(self, action: str, now_us: int) -> tuple[int, int]:
        """Return how many runs of an action ended badly, and how many ended, within the window."""
        ends = self._recent(action, now_us)
        return sum(end.bad for end in ends), len(ends)

    def failing_until(self, action: str, now_us: int) -> int | None:
        """Return when the share of bad ends is low enough again if nothing else ends, or None when it is now."""
        ends = self._recent(action, now_us)
        until_us = None
        while self._failing(ends):
            until_us = ends[0].time_us + self._settings.failed_window_us
            ends = ends[1:]
        return until_us

    def under_way(self, entity: str) -> bool:
        """Return whether an action on the entity has not ended."""
        return any(action.entity == entity for action in self.field.in_flight.values())

    def cooling_until(self, entity: str, now_us: int) -> int | None:
        """Return when the entity has cooled down, or None when it has."""
        until_us = self.field.cooldowns_us.get(entity, now_us)
        return until_us if until_us > now_us else None

    def _ended(self, action: InFlight, bad: bool, now_us: int) -> None:
        cooldowns = {entity: until for entity, until in self.field.cooldowns_us.items() if until > now_us}
        declared = self._actions.get(action.action)
        if declared is not None and declared.cooldown_us > 0:
            cooldowns[action.entity] = now_us + declared.cooldown_us
        self.field.cooldowns_us = cooldowns
        ends = [*self._recent(action.action, now_us), End(now_us, bad)]
        self.field.ends[action.action] = ends
        if self._failing(ends):
            self.windows.tighten(f"action:{action.action}", TIGHTENED)

    def _recent(self, action: str, now_us: int) -> list[End]:
        oldest_us = now_us - self._settings.failed_window_us
        return [end for end in self.field.ends.get(action, []) if end.time_us > oldest_us]

    def _failing(self, ends: list[End]) -> bool:
        enough = len(ends) >= self._settings.failed_least
        return enough and sum(end.bad for end in ends) > self._settings.failed_share * len(ends)

    def _limits_of(self, key: str) -> Limits:
        """Return the limits of a scope; of an action that is no longer declared, none are left to allow."""
        stated = self._limits.get(key) or self._limits.get(key.partition(":")[0])
        return stated if stated is not None else NOTHING


def scopes_of(proposal: Proposal) -> tuple[str, str, str, str]:
    """Return the keys under which an action spends: of its action, entity, pattern and loop."""
    return (
        f"action:{proposal.action}",
        f"entity:{proposal.entity}",
        f"pattern:{proposal.pattern}",
        "loop",
    )
