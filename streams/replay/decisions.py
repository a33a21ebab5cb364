"""What a gate made of each proposal, and how two gates differ over the same ones."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from schemas.events import Verdict
from streams.loop.denials import may_ask_again

MOOT = "not proposed again"
"""What becomes of a repeated proposal whose episode the other gate has acted on already."""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What a gate said of one proposal, at `decided_us`. `issued` is the id of the action that came of it."""

    proposal: str
    episode: str
    entity: str
    pattern: str
    action: str
    time_us: int
    verdict: str
    decided_by: str | None
    decided_us: int
    issued: str | None = None
    asked: bool = False
    """Whether people were asked, whatever they answered."""
    answered: bool = False
    """Whether a person's answer led to it."""
    masked: bool = False
    """Whether limits in force kept the loop from choosing freely."""
    may_ask_again: bool = False
    """Whether it was denied only for a time."""

    @property
    def label(self) -> str:
        """Return verdict and reason, in words."""
        if self.decided_by is not None:
            return f"{self.verdict} ({self.decided_by})"
        return f"{self.verdict} (approved)" if self.asked else self.verdict


def decision_of(verdict: Verdict) -> Decision:
    """Return what one verdict says."""
    proposal = verdict.proposal
    return Decision(
        proposal=proposal.id,
        episode=proposal.episode,
        entity=proposal.entity,
        pattern=proposal.pattern,
        action=proposal.action,
        time_us=proposal.time_us,
        verdict=verdict.verdict,
        decided_by=verdict.decided_by,
        decided_us=verdict.time_us,
        issued=verdict.action,
        asked=verdict.verdict == "escalate",
        answered=verdict.approval is not None,
        masked=bool(proposal.limits),
        may_ask_again=may_ask_again(verdict),
    )


class Decisions:
    """The last word on each proposal.

    An escalation that nobody answered stays an escalation: that its time ran out says nothing about the settings. And
    what became an action stays one: its proposal, heard again, is denied as a duplicate.
    """

    def __init__(self, said: Iterable[Decision] = ()) -> None:
        """Fold what a gate said, in order."""
        self.of: dict[str, Decision] = {}
        for decision in said:
            self.see(decision)

    def see(self, said: Decision) -> None:
        """Take over what a gate said."""
        known = self.of.get(said.proposal)
        if known is None:
            self.of[said.proposal] = said
            return
        unanswered = known.verdict == "escalate" and said.verdict == "deny" and not said.answered
        if known.issued is None and not unanswered:
            self.of[said.proposal] = replace(said, asked=known.asked or said.asked)


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One proposal that the other gate answers otherwise."""

    proposal: str
    entity: str
    pattern: str
    action: str
    time_us: int
    before: str
    after: str


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """How another gate decides the same proposals. `added` and `removed` are the decisions that became actions under
    the one settings alone; an action on the same episode at another time is neither, it `moved`. `silent` are questions
    to people that nobody answered, and that only the other gate left so.
    """

    proposals: int
    changes: tuple[Change, ...]
    actions_before: int
    actions_after: int
    added: tuple[Decision, ...]
    removed: tuple[Decision, ...]
    moved: int
    asked_before: int
    asked_after: int
    silent: int

    def kinds(self) -> list[tuple[str, str, int]]:
        """Return the changes by kind: verdict and reason before, after, and how many; the most frequent first."""
        counts = Counter((change.before, change.after) for change in self.changes)
        return [(before, after, number) for (before, after), number in sorted(counts.items(), key=_most_first)]


def difference(before: Mapping[str, Decision], after: Mapping[str, Decision], *, moot: Collection[str]) -> Difference:
    """Compare the decisions on the proposals that both gates saw; `moot` are those the other was not asked about."""
    both = [(before[name], decision) for name, decision in after.items() if name in before]
    changes = [_change(one, MOOT if one.proposal in moot else other.label) for one, other in both]
    stayed = [(one, other) for one, other in both if one.issued is not None and other.issued is not None]
    removed = [one for one, other in both if other.issued is None and one.issued is not None]
    added = [other for one, other in both if one.issued is None and other.issued is not None]
    paired = _paired(removed, added)
    removed = [one for one in removed if one.proposal not in paired]
    added = [other for other in added if other.proposal not in paired]
    elsewhen = len(paired) // 2
    return Difference(
        proposals=len(both),
        changes=tuple(change for change in changes if change.before != change.after),
        actions_before=len(stayed) + len(removed) + elsewhen,
        actions_after=len(stayed) + len(added) + elsewhen,
        added=tuple(added),
        removed=tuple(removed),
        moved=elsewhen + sum(one.issued != other.issued for one, other in stayed),
        asked_before=sum(one.asked for one, _ in both),
        asked_after=sum(other.asked for _, other in both),
        silent=sum(other.verdict == "escalate" and one.verdict != "escalate" for one, other in both),
    )


def _paired(removed: Sequence[Decision], added: Sequence[Decision]) -> set[str]:
    """Return the proposals, in pairs, that are about the same episode: one removed and one added."""
    waiting: dict[str, list[Decision]] = defaultdict(list)
    for one in removed:
        if one.episode:
            waiting[one.episode].append(one)
    pairs = [(waiting[other.episode].pop(0), other) for other in added if waiting.get(other.episode)]
    return {one.proposal for pair in pairs for one in pair}


def _change(before: Decision, label: str) -> Change:
    return Change(
        proposal=before.proposal,
        entity=before.entity,
        pattern=before.pattern,
        action=before.action,
        time_us=before.time_us,
        before=before.label,
        after=label,
    )


def _most_first(counted: tuple[tuple[str, str], int]) -> tuple[int, tuple[str, str]]:
    kind, number = counted
    return -number, kind
