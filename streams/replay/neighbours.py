"""Who acted beside whom: what was done may be felt by later episodes of the entity and its group."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence

from schemas.events import ARMS, NONE, Proposal
from streams.replay.episodes import DecidedEpisode

OF_NO_ARM = ""
"""Who acts where no arm was drawn: people of their own accord, about an episode that the loop had not decided or none.
"""


class Neighbours:
    """What was done to each entity and in each group, by time, also by people of their own accord. Entities without a
    group stand by themselves.
    """

    def __init__(self, episodes: Sequence[DecidedEpisode], *, horizon_us: int) -> None:
        self._horizon_us = horizon_us
        self._done: dict[tuple[str, str], list[tuple[int, str]]] = defaultdict(list)
        for episode in episodes:
            acts = [end for end in episode.ends.values() if end.effective != NONE]
            for key in _keys(next(iter(episode.by_loop()), episode.proposals[0])):
                self._done[key] += [(end.decided_us, _arm(episode)) for end in acts]
        for moments in self._done.values():
            moments.sort()

    def arms_beside(self, proposal: Proposal) -> set[str]:
        """Return the arms that acted on its entity or group within the horizon before a proposal, and `OF_NO_ARM` where
        nobody's arm did.

        What came after it is not looked at: which episodes have such neighbours would depend on what was done in them.
        """
        found: set[str] = set()
        for key in _keys(proposal):
            moments = self._done.get(key, [])
            for at in range(bisect_left(moments, (proposal.time_us, "")) - 1, -1, -1):
                time_us, arm = moments[at]
                if time_us < proposal.time_us - self._horizon_us or len(found) > len(ARMS):
                    break
                found.add(arm)
        return found


def _arm(episode: DecidedEpisode) -> str:
    hold_out = next((one.hold_out for one in episode.by_loop()), None)
    return OF_NO_ARM if hold_out is None else hold_out.arm


def _keys(proposal: Proposal) -> list[tuple[str, str]]:
    group = [("group", proposal.group)] if proposal.group else []
    return [("entity", proposal.entity), *group]
