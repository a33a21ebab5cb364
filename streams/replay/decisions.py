"""What a gate made of each proposal, and how two gates differ over the same ones."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from schemas.events import Verdict

MOOT = "not proposed again"
"""What becomes of a repeated proposal whose episode the other gate has acted on already."""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The last word on one proposal. `issued` is the id of the action that came of it, `issued_us` when.

    An escalation that nobody answered stays an escalation: that its time ran out says nothing about the settings.
    """

    proposal: str
    episode: str
    entity: str
    pattern: str
    action: str
    time_us: int
    verdict: str
    decided_by: str | None
    issued: str | None = None
    issued_us: int = 0
    masked: bool = False
    """Whether limits in force kept the loop from choosing freely."""
    may_ask_again: bool = False
    """Whether it was denied only for a time."""

    @property
    def label(self) -> str:
        """Return verdict and reason, in words."""
        return self.verdict if self.decided_by is None else f"{self.verdict} ({self.decided_by})"


class Decisions:
    """Folds verdicts, in order; one decision per proposal."""

    def __init__(self, verdicts: Iterable[Verdict] = ()) -> None:
        self.of: dict[str, Decision] = {}
        for verdict in verdicts:
            self.see(verdict)

    def see(self, verdict: Verdict) -> None:
        """Take over one verdict."""
        proposal = verdict.proposal
        known = self.of.get(proposal.id)
        if known is not None and known.verdict == "escalate" and verdict.verdict == "deny" and not verdict.approval:
            return
        self.of[proposal.id] = Decision(
            proposal=proposal.id,
            episode=proposal.episode,
            entity=proposal.entity,
            pattern=proposal.pattern,
            action=proposal.action,
            time_us=proposal.time_us,
            verdict=verdict.verdict,
            decided_by=verdict.decided_by,
            issued=verdict.action,
            issued_us=verdict.time_us if verdict.action else 0,
            masked=bool(proposal.blocked),
            may_ask_again=verdict.verdict == "deny" and verdict.retry_after_us is not None,
        )


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
    the one settings alone; an action on the same episode at another time is neither, it `moved`.
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
        asked_before=sum(one.verdict == "escalate" for one, _ in both),
        asked_after=sum(other.verdict == "escalate" for _, other in both),
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
