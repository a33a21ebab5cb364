"""Runs of actions that were let through, until it is known what came of them."""

from collections import OrderedDict
from collections.abc import Iterable

import msgspec

from schemas.events import ASK, Experience, Proposal, Verdict
from schemas.ids import seed_of
from streams.loop.asking import asked_about

KNOWN_ENDS = ("succeeded", "failed")
"""How a run ends, by its executor's word, of which something can be learned."""


class Run(msgspec.Struct, array_like=True):
    """One action under way. `chosen` is what the loop's own arm chose for its episode (`chosen_by_loop`), `end` how its
    executor says that it ended, "" before that; `missed` whether it was counted as one of which nobody tells, and
    `unmeasured_us` when as one of which nothing was measured. `asked`: that choice was to ask about it.
    """

    proposal: str
    pattern: str
    action: str
    arm: str
    chosen: str
    end: str = ""
    missed: bool = False
    unmeasured_us: int | None = None
    asked: bool = False

    def tells(self, experience: Experience) -> bool:
        """Return whether an experience is an outcome of this run: no default, and its executor said how it ended."""
        return (
            self.end in KNOWN_ENDS
            and experience.state in ("observed", "late")
            and experience.effective == self.action
            and experience.reward is not None
        )


class Runs:
    """The latest runs by action id, `limit` at most; each counts once, as an outcome or as missing, or as both where
    the outcome comes after its default.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._runs: OrderedDict[str, Run] = OrderedDict()

    def adopt(self, runs: Iterable[tuple[str, Run]]) -> None:
        """Replace all runs."""
        self._runs = OrderedDict(runs)

    def state(self) -> list[tuple[str, Run]]:
        """Return all runs, the oldest first."""
        return list(self._runs.items())

    def begin(self, issued: str, verdict: Verdict) -> Run | None:
        """Note a run; return one that is given up for it, of which nobody told anything."""
        proposal = verdict.proposal
        self._runs[issued] = Run(
            proposal.id,
            proposal.pattern,
            proposal.action,
            arm_of(proposal),
            chosen_by_loop(proposal),
            asked=chose_to_ask(proposal),
        )
        if len(self._runs) <= self._limit:
            return None
        _, oldest = self._runs.popitem(last=False)
        return None if oldest.missed else oldest

    def end(self, action: str, state: str) -> None:
        """Note how a run ended."""
        if action in self._runs:
            self._runs[action].end = state

    def of(self, action: str, experience: Experience) -> Run | None:
        """Return the run that an experience is about, the last time unless what it tells is a default."""
        run = self._runs.get(action)
        if run is None or run.proposal != experience.proposal:
            return None
        if experience.state != "defaulted":
            del self._runs[action]
        return run


def arm_of(proposal: Proposal) -> str:
    """Return the arm that decided an episode."""
    return "loop" if proposal.hold_out is None else proposal.hold_out.arm


def chosen_by_loop(proposal: Proposal) -> str:
    """Return what the loop chose; in a hold-out what it would have chosen, by a draw from its probabilities there. To
    ask about an action is to choose it.

    Over the episodes for which the loop chooses an action, and the hold-outs for which it would have, the action and
    what it is compared with meet the same mixture of cases; over all hold-outs, an action that is chosen for the cases
    that pass by themselves would look like one that helps. So it is "" where the loop decided again without what had
    been refused in the episode: who refused it picked the case, and no hold-out is drawn again.
    """
    if proposal.leaves_out_refused:
        return ""
    choice = _choice_of(proposal)
    if choice != ASK:
        return choice
    return proposal.action if proposal.asked else asked_about(proposal.probabilities)


def chose_to_ask(proposal: Proposal) -> bool:
    """Return whether the loop chose to ask; in a hold-out whether it would have, by the same draw."""
    return _choice_of(proposal) == ASK


def _choice_of(proposal: Proposal) -> str:
    if arm_of(proposal) == "loop":
        return proposal.choice
    draw, reached = (seed_of("chosen", proposal.id) >> 11) / float(1 << 53), 0.0
    for name in sorted(proposal.probabilities):
        reached += proposal.probabilities[name]
        if draw < reached:
            return name
    return ""
