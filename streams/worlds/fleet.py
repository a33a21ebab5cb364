"""The fleet: a simulated, seeded world of any size in which a loop can learn, and be judged against the truth.

Faults recur in kinds, each with its own signature over the metrics and its own best remedy; outcomes come late, twice,
wrong or never; entities come and go; storms strike many at once; one action makes everything worse.
"""

import heapq
from dataclasses import dataclass

import numpy as np

from schemas.events import Action, Outcome, Telemetry
from schemas.ids import derive
from streams.worlds.fleet_settings import FleetSettings
from streams.worlds.remedies import Floats, Remedies

__all__ = ["AVAILABILITY", "Fault", "FleetSettings", "FleetWorld"]

AVAILABILITY = "availability"
_LEVEL, _SPREAD = 50.0, 2.5
_HEALTHY, _FAILING, _WORSE = 0.995, 0.6, 0.3


@dataclass(slots=True)
class Fault:
    """One fault, for scoring. `end_us` is when it ends by itself, or ended; `remedy` what ended it earlier."""

    entity: str
    kind: int
    start_us: int
    end_us: int
    worse: bool = False
    remedy: str | None = None


@dataclass(slots=True)
class _Slot:
    """One place of the fleet and who lives there now."""

    entity: str
    born_us: int
    dies_us: int
    next_fault_us: int
    levels: Floats
    generation: int = 0
    fault: Fault | None = None


class FleetWorld:
    """A `World`. The noise, the faults, the effects of actions and the reports about them draw from streams of their
    own, so what the loop does never changes what happens elsewhere.
    """

    def __init__(self, settings: FleetSettings, *, seed: int, start_us: int) -> None:
        self.settings = settings
        self.remedies = Remedies(settings, seed=seed, start_us=start_us)
        self.faults: list[Fault] = []
        """Every fault so far, in order of start."""
        self._noise, self._fate, self._effects, self._reports = (
            np.random.default_rng([seed, stream]) for stream in (2, 3, 4, 5)
        )
        self.metrics = tuple(f"m{index}" for index in range(max(settings.kinds, 2)))
        self._calm_us = settings.calm_periods * settings.period_us
        self._signatures = self._draw_signatures()
        self._next_us = start_us + settings.period_us
        self._slots = [self._settle(index, 0, start_us) for index in range(settings.entities)]
        self._next_storm_us = start_us + self._interval(settings.storm_every_us)
        self._effects_due: list[tuple[int, str, Action]] = []
        self._outcomes_due: list[tuple[int, int, str, Outcome]] = []
        self._reported = 0

    def next_time(self) -> int:
        """Return when the next sample, effect or report is due."""
        dues = [self._next_us, *(due[0] for due in (self._effects_due[:1] + self._outcomes_due[:1]))]
        return min(dues)

    def telemetry(self, now_us: int) -> list[Telemetry]:
        """Advance to `now_us` and return the samples due, oldest first."""
        samples: list[Telemetry] = []
        while self._next_us <= now_us:
            self._advance(self._next_us)
            samples += self._sample(self._next_us)
            self._next_us += self.settings.period_us
        self._take_effect(now_us)
        return samples

    def act(self, action: Action, now_us: int) -> None:
        """Start an action; it takes effect, or does not, when it ends."""
        heapq.heappush(self._effects_due, (now_us + self.settings.action_us, action.id, action))

    def outcomes(self, now_us: int) -> list[Outcome]:
        """Return the reports due: some late, some twice, some wrong, some never."""
        self._take_effect(now_us)
        due: list[Outcome] = []
        while self._outcomes_due and self._outcomes_due[0][0] <= now_us:
            due.append(heapq.heappop(self._outcomes_due)[3])
        return due

    def kind_at(self, entity: str, now_us: int) -> int | None:
        """Return the kind of fault that an entity had at a time; None where it was healthy."""
        for fault in reversed(self.faults):
            if fault.entity == entity and fault.start_us <= now_us < fault.end_us:
                return fault.kind
        return None

    def _draw_signatures(self) -> Floats:
        """Every kind moves two metrics, one up and one up or down: no two kinds move the same two the same way."""
        kinds, width = self.settings.kinds, len(self.metrics)
        signatures = np.zeros((kinds, width))
        for kind in range(kinds):
            signatures[kind, kind % width] = 1.0
            signatures[kind, (kind + 1) % width] = -0.7 if kind % 2 else 0.7
        return signatures * self.settings.depth * _SPREAD

    def _interval(self, mean_us: int) -> int:
        """Draw an exponential interval; one that never ends for a mean of 0."""
        drawn = self._fate.exponential()
        return int(mean_us * drawn) + 1 if mean_us else 1 << 62

    def _settle(self, index: int, generation: int, born_us: int) -> _Slot:
        return _Slot(
            entity=f"node-{index:02d}" + (f".{generation}" if generation else ""),
            born_us=born_us,
            dies_us=born_us + self._interval(self.settings.life_every_us),
            next_fault_us=born_us + self._interval(self.settings.fault_every_us) + self._calm_us,
            levels=_LEVEL * self._fate.uniform(0.8, 1.2, len(self.metrics)),
            generation=generation,
        )

    def _advance(self, now_us: int) -> None:
        """Let what is due happen: actions take effect, faults end and begin, entities go and come."""
        self._take_effect(now_us)
        for index, slot in enumerate(self._slots):
            if slot.fault is not None and slot.fault.end_us <= now_us:
                self._heal(slot, slot.fault.end_us)
            if slot.dies_us <= now_us:
                if slot.fault is not None:
                    slot.fault.end_us = now_us
                self._slots[index] = self._settle(index, slot.generation + 1, now_us + self.settings.gap_us)
            elif slot.fault is None and slot.next_fault_us <= now_us:
                self._strike(slot, int(self._fate.integers(self.settings.kinds)), now_us)
        if self._next_storm_us <= now_us:
            self._storm(now_us)

    def _storm(self, now_us: int) -> None:
        kind = int(self._fate.integers(self.settings.kinds))
        for slot in self._slots:
            lives = slot.born_us + self._calm_us <= now_us
            if self._fate.random() < self.settings.storm and lives and slot.fault is None:
                self._strike(slot, kind, now_us)
        self._next_storm_us = now_us + self._interval(self.settings.storm_every_us)

    def _strike(self, slot: _Slot, kind: int, now_us: int) -> None:
        lasts_us = self.settings.fault_us
        end_us = now_us + (self._interval(lasts_us) if self.settings.by_chance else lasts_us)
        slot.fault = Fault(entity=slot.entity, kind=kind, start_us=now_us, end_us=end_us)
        self.faults.append(slot.fault)

    def _heal(self, slot: _Slot, now_us: int) -> None:
        if slot.fault is not None:
            slot.fault.end_us = now_us
        slot.fault = None
        slot.next_fault_us = now_us + self._interval(self.settings.fault_every_us)

    def _sample(self, now_us: int) -> list[Telemetry]:
        noise = self._noise.normal(0.0, 1.0, (len(self._slots), len(self.metrics) + 1))
        levels = np.array([slot.levels for slot in self._slots]) + _SPREAD * noise[:, :-1]
        failing = [index for index, slot in enumerate(self._slots) if slot.fault is not None]
        levels[failing] += self._signatures[[slot.fault.kind for slot in self._slots if slot.fault is not None]]
        samples: list[Telemetry] = []
        rows = zip(self._slots, np.round(levels, 4).tolist(), noise[:, -1].tolist(), strict=True)
        for slot, values, drawn in rows:
            if slot.born_us > now_us:
                continue
            healthy = _HEALTHY
            if slot.fault is not None:
                healthy = _WORSE if slot.fault.worse else _FAILING
            named = dict(zip(self.metrics, values, strict=True))
            named[AVAILABILITY] = min(1.0, round(healthy + 0.003 * drawn, 4))
            samples.append(Telemetry(entity=slot.entity, time=now_us, values=named))
        return samples

    def _take_effect(self, now_us: int) -> None:
        while self._effects_due and self._effects_due[0][0] <= now_us:
            due_us, _, action = heapq.heappop(self._effects_due)
            self._report(action, due_us, worked=self._apply(action, due_us))

    def _apply(self, action: Action, now_us: int) -> bool:
        """Return whether the entity is healthy after the action; one that has gone is not."""
        slot = next((slot for slot in self._slots if slot.entity == action.entity), None)
        drawn = float(self._effects.random())
        if slot is None or slot.fault is None:
            return slot is not None
        fault = slot.fault
        if self.remedies.harms(fault.kind, action.action, now_us):
            fault.worse = True
            fault.end_us += self.settings.worse_us
            return False
        if drawn >= self.remedies.probability(fault.kind, action.action, now_us):
            return False
        fault.remedy = action.action
        self._heal(slot, now_us)
        return True

    def _report(self, action: Action, now_us: int, *, worked: bool) -> None:
        settings = self.settings
        missing, wrong, delayed, lateness, duplicate = self._reports.random(5)
        if missing < settings.missing:
            return
        report = Outcome(
            id=derive("fleet", action.id, "end"),
            time_us=now_us,
            action=action.id,
            entity=action.entity,
            group="fleet",
            executor="fleet",
            state="succeeded" if worked != (wrong < settings.wrong) else "failed",
            started_us=action.issued_us,
            ended_us=now_us,
        )
        due_us = now_us + (int(lateness * settings.delay_us) if delayed < settings.delayed else 0)
        for copy in range(2 if duplicate < settings.duplicate else 1):
            self._reported += 1
            heapq.heappush(self._outcomes_due, (due_us + copy * settings.period_us, self._reported, action.id, report))
