"""What each executor has begun and not ended: its claims and ends on `outcomes`, and what it last said itself."""

import msgspec

from schemas.events import Action, Control, Event, Outcome

TOPICS = ("actions", "outcomes", "control")
"""What a `Ledger` folds."""


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """An action in the hands of one executor (its `instance`); what is not known of it any more is "" or None.

    `age_s` counts from its claim.
    """

    action: str
    executor: str
    name: str = ""
    entity: str = ""
    pattern: str = ""
    age_s: float | None = None

    def text(self) -> str:
        """Return it for people: `restart web-3, 12 s`."""
        what = " ".join(part for part in (self.name or self.action[:12], self.entity) if part)
        return what if self.age_s is None else f"{what}, {self.age_s:.0f} s"

    def falls_under(self, target: str) -> bool:
        """Return whether an order about a target is about this too; what is not known may be anything."""
        kind, _, name = target.partition(":")
        own = {"action": self.name, "pattern": self.pattern, "entity": self.entity}.get(kind, "")
        return target == "loop" or own in ("", name)


class Ledger:
    """Folds actions, outcomes and what people settled, each topic in offset order."""

    def __init__(self) -> None:
        self._actions: dict[str, Action] = {}
        self._claims: dict[tuple[str, str], Outcome] = {}
        """The first of each action and group: only who made it may start."""
        self._ended: set[tuple[str, str]] = set()
        self._settled: set[str] = set()

    def fold(self, event: Event) -> None:
        """Take over one event; others are ignored."""
        if isinstance(event, Action):
            self._actions[event.id] = event
        elif isinstance(event, Control) and event.kind == "settle":
            self._settled.add(event.target)
        elif isinstance(event, Outcome) and event.state == "claimed":
            self._claims.setdefault((event.action, event.group), event)
        elif isinstance(event, Outcome):
            self._ended.add((event.action, _instance(event)))

    def held_by(
        self, instance: str, *, said: tuple[str, ...], said_us: int, answering: bool, now_us: int
    ) -> tuple[Held, ...]:
        """Return what an executor has in its hands, the oldest first, given what it `said` that it holds, and when.

        What it has claimed since counts too; of one that is no longer heard every claim without an end does, unless a
        person settled it.
        """
        claims = {one.action: one for one in self._claims.values() if _instance(one) == instance}
        doubtful = {name for name, one in claims.items() if one.time_us > said_us or not answering}
        names = {name for name in doubtful.union(said) if (name, instance) not in self._ended}
        names -= self._settled.difference(said if answering else ())
        held = [self._held(name, instance, claims.get(name), now_us) for name in names]
        return tuple(sorted(held, key=lambda one: (-(one.age_s or 0.0), one.action)))

    def _held(self, name: str, instance: str, claim: Outcome | None, now_us: int) -> Held:
        action = self._actions.get(name)
        since_us = claim.time_us if claim is not None else action.issued_us if action is not None else None
        return Held(
            action=name,
            executor=instance,
            name=action.action if action is not None else "",
            entity=action.entity if action is not None else claim.entity if claim is not None else "",
            pattern=action.pattern if action is not None else "",
            age_s=None if since_us is None else max(0.0, (now_us - since_us) / 1e6),
        )


def _instance(outcome: Outcome) -> str:
    """Return what an executor calls itself on `presence`."""
    return f"executor/{outcome.group}/{outcome.executor}"
