"""Who acted beside whom: what an arm of a hold-out did may be felt by later episodes of the entity and its group."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence

from schemas.events import ARMS, NONE, Proposal
from streams.replay.episodes import DecidedEpisode


class Neighbours:
    """What was done to each entity and in each group, by time. Entities without a group stand by themselves."""

    def __init__(self, episodes: Sequence[DecidedEpisode], *, horizon_us: int) -> None:
        self._horizon_us = horizon_us
        self._done: dict[tuple[str, str], list[tuple[int, str]]] = defaultdict(list)
        for episode in episodes:
            first = episode.by_loop()[0]
            if first.hold_out is None:
                continue
            acts = [end for end in episode.ends.values() if end.effective != NONE]
            for key in _keys(first):
                self._done[key] += [(end.decided_us, first.hold_out.arm) for end in acts]
        for moments in self._done.values():
            moments.sort()

    def arms_beside(self, proposal: Proposal) -> set[str]:
        """Return the arms that acted on its entity or group within the horizon before a proposal.

        What came after it is not looked at: which episodes have such neighbours would depend on what was done in them.
        """
        found: set[str] = set()
        for key in _keys(proposal):
            moments = self._done.get(key, [])
            for at in range(bisect_left(moments, (proposal.time_us, "")) - 1, -1, -1):
                time_us, arm = moments[at]
                if time_us < proposal.time_us - self._horizon_us or len(found) == len(ARMS):
                    break
                found.add(arm)
        return found


def _keys(proposal: Proposal) -> list[tuple[str, str]]:
    group = [("group", proposal.group)] if proposal.group else []
    return [("entity", proposal.entity), *group]
