"""What the checks look at: the gate's settings, its books, and what people ordered."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from schemas.events import Check
from streams.loop.actions import ActionSettings
from streams.loop.durations import format_duration
from streams.loop.gate.book import Book
from streams.loop.gate.guards import Guards
from streams.loop.gate.maintenance import Maintenance
from streams.loop.gate.names import Names
from streams.loop.gate.settings import GateSettings
from streams.loop.gate.state import Orders


class Moment(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The checks that look at the action and at nothing else of a proposal: made once for all of one moment."""

    control: Check
    settings: Check
    declared: Check
    abnormal: Check
    failures: Check
    maintenance: Check


@dataclass(slots=True)
class Facts:
    """All of it; the gate's own are `orders`, `decided` (of when each proposal was that is known to have been) and
    `forgotten_us` (of when the newest one was that is not known any more).

    `moment` is by action, and forgotten when time goes on or anything but a proposal comes.
    The texts say what a check allows: they are the same in every verdict.
    """

    settings: GateSettings
    settings_hash: str
    actions: Mapping[str, ActionSettings]
    book: Book
    maintenance: Maintenance
    guards: Guards
    names: Names
    orders: Orders = field(default_factory=Orders)
    decided: OrderedDict[str, int] = field(default_factory=OrderedDict)
    forgotten_us: int = -1
    moment: dict[str, Moment] = field(default_factory=dict)
    abnormal_text: str = field(init=False)
    failed_text: str = field(init=False)
    control_text: str = field(init=False)
    evidence_text: str = field(init=False)
    approved_text: str = field(init=False)

    def __post_init__(self) -> None:
        settings = self.settings
        self.abnormal_text = f"{settings.abnormal_share:g} of the entities, from {settings.abnormal_least} on"
        self.failed_text = f"{settings.failed_share:g} of the ends, from {settings.failed_least} on"
        self.control_text = format_duration(settings.control_timeout_us)
        self.evidence_text = format_duration(settings.evidence_age_us)
        self.approved_text = format_duration(settings.evidence_age_us + settings.approval_window_us)
