"""What the gate must not forget: plain structs, written to the snapshot as they are; and what its checks are asked."""

from collections.abc import Collection

import msgspec

from schemas.errors import RecoveryError
from schemas.events import Approval, Outcome, Proposal, Verdict
from streams.loop.gate.evidence import Pair
from streams.loop.gate.feedback import Feedback
from streams.loop.gate.left_alone import LeftAlone
from streams.loop.gate.names import Names
from streams.loop.gate.runs import Run
from streams.loop.gate.settings import Level
from streams.loop.gate.spending import Spent
from streams.loop.groups import GROUPS_MAX, end_rank
from streams.loop.limits import SlidingWindowsState
from streams.loop.untold import Untold

STATE_VERSION = 9


class Order(msgspec.Struct, frozen=True, array_like=True):
    """The latest pause record of a target, and when it was heard; after `until_us` the opposite holds."""

    paused: bool
    until_us: int | None
    heard_us: int


class Said(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a group of executors said last of an action, and who of them; of claims the first counts."""

    executor: str
    state: str


class End(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """When an action ended, and whether badly (failed or unknown)."""

    time_us: int
    bad: bool


class InFlight(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An action that was let through and whose end is not known; at `deadline_us` it is given up.

    Each group of executors does it: `said` is by group. Who claimed it first in a group alone can end it there.
    `counted` is its end that was counted before another group claimed it; None where none was.
    """

    action: str
    entity: str
    group: str
    episode: str
    deadline_us: int
    said: dict[str, Said] = {}
    counted: End | None = None

    @property
    def executor(self) -> str | None:
        """Return who has claimed it and not ended it, the first of several; None where nobody has."""
        return next((one.executor for one in self.said.values() if one.state == "claimed"), None)

    def heard(self, outcome: Outcome) -> "InFlight":
        """Return it with what an executor said of it; itself where that counts for nothing."""
        known = self.said.get(outcome.group)
        if known is None:
            counts = len(self.said) < GROUPS_MAX
        else:
            counts = known == Said(outcome.executor, "claimed") and outcome.state != "claimed"
        if not counts:
            return self
        said = self.said | {outcome.group: Said(outcome.executor, outcome.state)}
        return msgspec.structs.replace(self, said=said)

    def end(self, groups: Collection[str]) -> str | None:
        """Return how it ended, the worst of all groups, or None while it is under way: until each group that claimed it
        has ended it, and where none of them began, until all `groups` that do such actions have refused it.
        """
        states = [one.state for one in self.said.values()]
        if not states or "claimed" in states:
            return None
        worst = min(states, key=end_rank)
        if worst == "refused" and any(group not in self.said for group in groups):
            return None
        return worst

    @property
    def is_refused(self) -> bool:
        """Return whether all that anybody said of it is that it does not begin."""
        return bool(self.said) and all(one.state == "refused" for one in self.said.values())


class Escalation(msgspec.Struct, frozen=True, array_like=True):
    """A proposal that waits for people until `until_us`, and who approved it so far."""

    proposal: Proposal
    until_us: int
    approvals: tuple[Approval, ...] = ()


class Share(msgspec.Struct, frozen=True, array_like=True):
    """The latest census of one partition and group."""

    live: int
    abnormal: int
    time_us: int
    group: str


class Orders(msgspec.Struct):
    """What people said on `control`; `heard` are the ids of the latest records, `activated_by` chose the settings. Of
    each scope `in_force` is the id of the order in force, and `times_us` of what time that is. At `rearmed_us` a stop
    of the loop was last lifted. `stopped_here`: the last step was taken beside a stop file.
    """

    pauses: dict[str, Order] = {}
    stops: list[str] = []
    levels: dict[str, Level] = {}
    activated: str | None = None
    activated_by: str = ""
    heard: list[str] = []
    times_us: dict[str, int] = {}
    in_force: dict[str, str] = {}
    rearmed_us: int = 0
    stopped_here: bool = False


class Opened(msgspec.Struct, frozen=True, array_like=True):
    """Whose an open episode is, and when it was first heard of."""

    entity: str
    group: str
    since_us: int


class Field(msgspec.Struct):
    """What is going on: episodes that are open, and those that are over (to when that was heard), actions under way,
    until when entities cool down, when each entity was last acted on (the longest ago first). `ended` are actions that
    executors ended before they were due to be given up: another group may still claim one. `groups`: of each kind
    of action, when each group of executors last claimed one, the longest ago first.
    """

    episodes: dict[str, Opened] = {}
    over_us: dict[str, int] = {}
    in_flight: dict[str, InFlight] = {}
    cooldowns_us: dict[str, int] = {}
    acted_us: dict[str, int] = {}
    ended: dict[str, InFlight] = {}
    groups: dict[str, dict[str, int]] = {}


class LadderState(msgspec.Struct):
    """What levels rest on, in the order in which it came: pairs, feedback by pattern, runs by action, what was seen, as
    what merged patterns count (`joined`), and proposals to do nothing whose experience is to come.
    """

    pairs: list[Pair] = []
    feedback: list[tuple[str, Feedback]] = []
    runs: list[tuple[str, Run]] = []
    seen: list[str] = []
    joined: list[tuple[str, str]] = []
    probation_us: int = 0
    left_alone: list[tuple[str, LeftAlone]] = []


class GateState(msgspec.Struct):
    """The whole state. `recorded` is in the order of decision, as is `decided`: all proposals that are known to have
    been decided, and of when; `forgotten_us` is of the newest that is not known any more.

    Breakers: since when there is a storm (`stormy_us`), and each action fails too often (`tripped_us`); and which of
    them were told (`told_open_us`).
    """

    version: int
    orders: Orders
    field: Field
    shares: dict[str, Share]
    stormy_us: int | None
    ends: dict[str, list[End]]
    tripped_us: dict[str, int]
    spent: list[Spent]
    windows: SlidingWindowsState
    recorded: list[Verdict]
    decided: list[tuple[str, int]]
    forgotten_us: int
    escalations: dict[str, Escalation]
    told: dict[str, int] | None
    told_open_us: dict[str, int]
    ladder: LadderState
    given_up: Untold


class _Versioned(msgspec.Struct):
    """All that is read of a state before it is known to be of this version: others have other fields."""

    version: int = 0


def read_state(snapshot: bytes) -> GateState:
    """Return the state of a snapshot; raises `RecoveryError` when it is of another version."""
    version = msgspec.msgpack.decode(snapshot, type=_Versioned).version
    if version != STATE_VERSION:
        raise RecoveryError(
            f"state of the gate must have version {STATE_VERSION}, got {version}: go back to the release "
            "that wrote it, or give that state up with `flyball recover --role gate --accept-loss`"
        )
    return msgspec.msgpack.decode(snapshot, type=GateState)


class Scopes(msgspec.Struct, frozen=True, gc=False):
    """What a proposal falls under, the widest first: pauses stop these, and limits count by them."""

    loop: str
    action: str
    pattern: str
    entity: str
    merged: tuple[str, ...] = ()
    """Patterns that were merged into its own: pauses of them stop it as well."""


def scopes_of(proposal: Proposal, names: Names) -> Scopes:
    """Return the scopes that a proposal falls under, its pattern by the name that it has now."""
    pattern, *merged = names.scopes(proposal.pattern)
    return Scopes("loop", f"action:{proposal.action}", pattern, f"entity:{proposal.entity}", tuple(merged))


def is_exploring(proposal: Proposal) -> bool:
    """Return whether the loop tries this action although another looks better: it is not its likeliest choice."""
    if proposal.hold_out is not None and proposal.hold_out.arm != "loop":
        return False
    chosen = proposal.probabilities.get(proposal.choice)
    return chosen is not None and chosen < max(proposal.probabilities.values())


class Question(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the checks are asked: may this proposal act at this time? `until_us`: how long it is valid.

    `exploring`: another action looks better. `approval` is the answer of a person that made one ask again, `approvals`
    are all that speak for it by now.
    """

    proposal: Proposal
    scopes: Scopes
    now_us: int
    control_heard_us: int
    level: Level
    until_us: int
    exploring: bool = False
    approval: Approval | None = None
    approvals: tuple[Approval, ...] = ()

    @property
    def approval_ids(self) -> tuple[str, ...]:
        """Return the ids of the approvals."""
        return tuple([approval.id for approval in self.approvals]) if self.approvals else ()
