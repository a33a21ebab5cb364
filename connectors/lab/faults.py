"""The kinds of fault that recur in the lab: what each does, and which action ends it.

Nothing here reaches the loop: kinds and remedies serve the injector and the scoring of a run.
"""

from dataclasses import dataclass

RESTART = "restart"
RECYCLE_CACHE = "recycle_cache"
REOPEN = "reopen"
END_TASK = "end_task"
SHED_LOAD = "shed_load"
ACTIONS = (RESTART, RECYCLE_CACHE, REOPEN, END_TASK, SHED_LOAD)


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultKind:
    """One way to fail. `order` is what the service is told; a `cold_restart` takes longer than others."""

    name: str
    best: str
    order: str | None = None
    restart_cures: bool = True
    cold_restart: bool = False

    def cured_by(self, action: str) -> bool:
        """Return whether the action ends this fault."""
        return action == self.best or (action == RESTART and self.restart_cures)


KINDS: dict[str, FaultKind] = {
    kind.name: kind
    for kind in (
        FaultKind(name="memory_leak", best=RESTART, order="leak"),
        FaultKind(name="hang", best=RESTART, order="hang"),
        FaultKind(name="crash", best=RESTART, order="crash"),
        FaultKind(name="poisoned_cache", best=RECYCLE_CACHE, order="poison", cold_restart=True),
        FaultKind(name="descriptor_leak", best=REOPEN, order="descriptors", cold_restart=True),
        FaultKind(name="slow_disk", best=REOPEN, order="disk", restart_cures=False),
        FaultKind(name="runaway_task", best=END_TASK, restart_cures=False),
        FaultKind(name="overload", best=SHED_LOAD, restart_cures=False, cold_restart=True),
    )
}
