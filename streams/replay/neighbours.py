"""Who acted beside whom: what one arm of a hold-out did to an entity may be felt by others of its group."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence

from schemas.events import NONE, Proposal
from streams.replay.episodes import DecidedEpisode


class Neighbours:
    """What was done in each group, by time. Entities without a group have no neighbours."""

    def __init__(self, episodes: Sequence[DecidedEpisode], *, horizon_us: int) -> None:
        self._horizon_us = horizon_us
        self._done: dict[str, list[tuple[int, str, str]]] = defaultdict(list)
        for episode in episodes:
            first = episode.by_loop()[0]
            if first.group and first.hold_out is not None:
                acts = [end for end in episode.ends.values() if end.effective != NONE]
                self._done[first.group] += [(end.decided_us, first.entity, first.hold_out.arm) for end in acts]
        for moments in self._done.values():
            moments.sort()

    def arms_beside(self, proposal: Proposal) -> set[str]:
        """Return the arms that acted on other entities of its group within the horizon before or after a proposal.
        Once two are known it is not looked further.
        """
        moments = self._done.get(proposal.group, [])
        found: set[str] = set()
        for at in range(bisect_left(moments, (proposal.time_us - self._horizon_us, "", "")), len(moments)):
            time_us, entity, arm = moments[at]
            if time_us >= proposal.time_us + self._horizon_us or len(found) > 1:
                break
            if entity != proposal.entity:
                found.add(arm)
        return found
