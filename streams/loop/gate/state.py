"""What the gate must not forget: plain structs, written to the snapshot as they are."""

import msgspec

from schemas.events import Approval, Proposal, Verdict
from streams.loop.gate.settings import Level
from streams.loop.limits import SlidingWindowsState

STATE_VERSION = 2


class Order(msgspec.Struct, frozen=True, array_like=True):
    """The latest pause record of a target; after `until_us` the opposite holds."""

    paused: bool
    until_us: int | None


class InFlight(msgspec.Struct, frozen=True, array_like=True):
    """An action that was let through and whose end is not known; at `deadline_us` its end counts as unknown.

    `executor` is who claimed it first: once somebody has, only that one can end it.
    """

    action: str
    entity: str
    deadline_us: int
    executor: str | None = None


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


class End(msgspec.Struct, frozen=True, array_like=True):
    """When an action ended, and whether badly (failed or unknown)."""

    time_us: int
    bad: bool


class Orders(msgspec.Struct):
    """What people said on `control`; `heard` are the ids of the latest records, `activated_by` chose the settings."""

    pauses: dict[str, Order] = {}
    stops: list[str] = []
    levels: dict[str, Level] = {}
    activated: str | None = None
    activated_by: str = ""
    heard: list[str] = []


class Field(msgspec.Struct):
    """What is going on: episodes (to whether they are open), censuses, actions under way and how they ended."""

    episodes: dict[str, bool] = {}
    shares: dict[str, Share] = {}
    in_flight: dict[str, InFlight] = {}
    cooldowns_us: dict[str, int] = {}
    ends: dict[str, list[End]] = {}


class GateState(msgspec.Struct):
    """The whole state. `recorded` is in the order of decision; `forgotten_us` the newest proposal no longer in it."""

    version: int
    orders: Orders
    field: Field
    windows: SlidingWindowsState
    recorded: list[Verdict]
    forgotten_us: int
    escalations: dict[str, Escalation]
    published: dict[str, int]


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What the checks are asked: may this proposal act at this time? `until_us`: how long it is valid.

    `approval` is the answer of a person that made one ask again, `approvals` are all that speak for it by now.
    """

    proposal: Proposal
    now_us: int
    control_heard_us: int
    level: Level
    until_us: int
    approval: Approval | None = None
    approvals: tuple[Approval, ...] = ()
