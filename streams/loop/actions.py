"""What the operator declares about an action; policy, gate and attribute share it."""

from typing import Annotated, Literal

import msgspec

Risk = Literal["low", "high"]


class ActionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One action of a loop. Times in us; `cost` in units of reward; limits in the spelling `3/hour and 7/day`.

    `approvals` is how many different people must approve it; from 2 on it is always asked for. 0: one where people are
    asked, two of high risk. `executor` names what carries it out: `log`, `lab`, or `KIND.NAME` of `[executors]`.
    """

    name: str
    cost: float = 0.05
    reversible: bool = True
    risk: Risk = "low"
    """An action of high risk is never explored: it is only taken where it looks best."""
    limit: str = "30/hour"
    wait_us: int = 0
    """How long an episode must have been open before: what passes by itself needs no action."""
    cooldown_us: int = 10_000_000
    expires_us: int = 15_000_000
    parameters: dict[str, str] = {}
    dry_run: bool = False
    approvals: Annotated[int, msgspec.Meta(ge=0, le=9)] = 0
    executor: str = "log"

    @property
    def people_needed(self) -> int:
        """Return how many different people must approve it where people are asked."""
        return self.approvals or (2 if self.risk == "high" else 1)
