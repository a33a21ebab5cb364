"""What the operator declares about an action; policy, gate and attribute share it."""

from typing import Annotated

import msgspec


class ActionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One action of a loop. Times in us; `cost` in units of reward; limits in the spelling `3/hour and 7/day`.

    `approvals` is how many different people must approve it where people are asked; from 2 on they always are.
    `executor` names what carries it out: `log`, `lab`, or `KIND.NAME` of the section `[executors]`.
    """

    name: str
    cost: float = 0.05
    reversible: bool = True
    limit: str = "30/hour"
    cooldown_us: int = 10_000_000
    expires_us: int = 15_000_000
    parameters: dict[str, str] = {}
    dry_run: bool = False
    approvals: Annotated[int, msgspec.Meta(ge=1, le=9)] = 1
    executor: str = "log"
