"""A small scripted world: entities that fail in recurring ways, and actions that repair some of them."""

import random
from dataclasses import dataclass

from schemas.events import Action, Outcome, Telemetry
from schemas.ids import derive

SECOND_US = 1_000_000
FAULTS: dict[str, tuple[str, dict[str, float]]] = {
    "leak": ("restart", {"memory": 400.0, "latency": 60.0}),
    "loop": ("kill", {"cpu": 70.0, "latency": 20.0}),
    "burst": ("shed", {"errors": 40.0, "latency": -15.0}),
}
"""Fault to the action that repairs it, and by how much it shifts each metric."""
NORMAL = {"memory": (200.0, 10.0), "cpu": (20.0, 2.0), "errors": (2.0, 0.5), "latency": (30.0, 2.0)}


@dataclass(slots=True)
class _Entity:
    fault: str | None
    until_us: int


class ScriptedWorld:
    """`entities` samples per second of simulated time. Ends of actions come late, twice, or never, now and then."""

    def __init__(self, *, seed: int, start_us: int, entities: int = 20) -> None:
        self._draw = random.Random(seed)
        self._next_us = start_us + SECOND_US
        names = [f"host-{number}" for number in range(entities)]
        healthy_us = start_us + 12 * SECOND_US
        self._entities = {name: _Entity(None, healthy_us + self._draw.randrange(15) * SECOND_US) for name in names}
        self._repairs: list[tuple[int, str, str]] = []
        self._ends: list[tuple[int, Outcome]] = []
        self.performed: list[str] = []

    def next_time(self) -> int:
        return self._next_us

    def telemetry(self, now_us: int) -> list[Telemetry]:
        samples: list[Telemetry] = []
        while self._next_us <= now_us:
            self._advance(self._next_us)
            samples += [self._sample(name, entity) for name, entity in self._entities.items()]
            self._next_us += SECOND_US
        return samples

    def act(self, action: Action, now_us: int) -> None:
        self.performed.append(action.id)
        took_us = self._draw.choice((1, 1, 1, 2)) * SECOND_US
        self._repairs.append((now_us + took_us, action.entity, action.action))
        late_us = self._draw.choice((0, 0, 0, 0, 0, 15 * SECOND_US))
        fate = self._draw.random()
        if fate > 0.05:
            end = self._end_of(action, now_us, now_us + took_us, "succeeded" if fate > 0.1 else "failed")
            self._ends += [(now_us + took_us + late_us, end)] * (2 if fate > 0.9 else 1)

    def outcomes(self, now_us: int) -> list[Outcome]:
        due = [end for time_us, end in self._ends if time_us <= now_us]
        self._ends = [(time_us, end) for time_us, end in self._ends if time_us > now_us]
        return due

    def _advance(self, now_us: int) -> None:
        for _, name, action in [repair for repair in self._repairs if repair[0] <= now_us]:
            entity = self._entities[name]
            if entity.fault is not None and FAULTS[entity.fault][0] == action:
                self._change(entity, now_us)
        self._repairs = [repair for repair in self._repairs if repair[0] > now_us]
        for entity in self._entities.values():
            if entity.until_us <= now_us:
                self._change(entity, now_us)

    def _change(self, entity: _Entity, now_us: int) -> None:
        """Fail in one way, or become healthy again, for a while."""
        healthy = entity.fault is not None
        entity.fault = None if healthy else self._draw.choice(sorted(FAULTS))
        entity.until_us = now_us + (self._draw.randrange(8, 25) if healthy else 12) * SECOND_US

    def _sample(self, name: str, entity: _Entity) -> Telemetry:
        shifts = FAULTS[entity.fault][1] if entity.fault else {}
        values = {
            metric: round(self._draw.gauss(mean, spread) + shifts.get(metric, 0.0), 3)
            for metric, (mean, spread) in NORMAL.items()
        }
        values["availability"] = 0.5 if entity.fault else 1.0
        return Telemetry(entity=name, time=self._next_us, values=values, attributes={"group": "hosts"})

    def _end_of(self, action: Action, start_us: int, end_us: int, state: str) -> Outcome:
        return Outcome(
            id=derive("world", action.id),
            time_us=end_us,
            action=action.id,
            entity=action.entity,
            group="world",
            executor="world",
            state=state,  # type: ignore[arg-type]  # one of the two above
            started_us=start_us,
            ended_us=end_us,
        )
