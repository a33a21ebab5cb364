"""A gate keeps what it worked out for as long as it holds: one made anew of its state before every record, which can
have kept nothing, says the same to the last byte, whatever comes in whatever order.
"""

from collections import Counter
from collections.abc import Callable

import pytest

from schemas import wire
from schemas.events import Event
from schemas.ids import Cause
from streams.loop.gate import Gate, GateSettings, LevelSettings
from streams.loop.processor import Now, Record
from tests.loop.gate_bench import SECOND
from tests.loop.gate_life import ACTIONS, HASH, Life
from tests.loop.test_gate_machine import EXAMPLES

Fold = Callable[[Gate], list[Event]]
TIGHT = GateSettings(
    loop_limit="9/20s and 90/10m",
    pattern_limit="2/20s",
    entity_attempts="2/30s",
    explore_limit="3/30s",
    escalation_limit="5/30s",
    cost_a_day=20.0,
    concurrency=2,
    ramp_us=10 * SECOND,
    blast_count=2,
    blast_window_us=15 * SECOND,
    healthy_share=0.2,
    control_timeout_us=5 * SECOND,
    evidence_age_us=10 * SECOND,
    approval_window_us=20 * SECOND,
    outcome_timeout_us=5 * SECOND,
    failed_least=2,
    failed_window_us=30 * SECOND,
    census_age_us=20 * SECOND,
    protected=("e5",),
    maintenance=("Tue 22:16 - 22:17 UTC",),
    remembered=40,
    tracked=40,
)
ROOMY = GateSettings(
    loop_limit="900/hour",
    pattern_limit="900/hour",
    entity_attempts="900/day",
    escalation_limit="900/hour",
    remembered=12,
    concurrency=3,
    failed_least=2,
    failed_window_us=60 * SECOND,
    tracked=30,
)
EARNED = LevelSettings(default="suggest", novel="observe", episodes=1, outcomes=2, wrong=0.5, raising="auto", pairs=6)
TRUSTED = LevelSettings(default="act", novel="approve", alarm_every=6, probation_us=2 * SECOND)
STEPS_US = (0, 0, 0, 0, 10_000, SECOND, 3 * SECOND, 9 * SECOND, 25 * SECOND)
SEEDS = max(2, EXAMPLES // 1_000)
STEPS = 150
MENDED = 0.3


class Twins(Life):
    """A `gate` that lives on and gets records in batches, and beside it one that is made anew for each record."""

    def __init__(self, seed: int, settings: GateSettings, levels: LevelSettings) -> None:
        super().__init__(seed, levels=("act",) if levels is TRUSTED else ("observe", "approve"))
        self.settings, self.stated = settings, levels
        self.gate = self.make()
        self.offset, self.silent_us = 0, 0
        self.give(self.begin())

    def make(self) -> Gate:
        return Gate(
            self.settings, loop="lab", settings_hash=HASH, actions=ACTIONS, levels=self.stated, baseline="restart"
        )

    def anew(self, state: bytes, fold: Fold) -> tuple[list[Event], bytes]:
        """Let a gate that is made of a state fold something; return what it says, and its state."""
        gate = self.make()
        gate.restore(state)
        return fold(gate), gate.snapshot()

    def both(self, folds: list[Fold], fold: Fold) -> None:
        """Let the gate fold all at once, and one that is made anew for each of `folds`."""
        state, expected = self.gate.snapshot(), []
        for one in folds:
            outputs, state = self.anew(state, one)
            expected += outputs
        outputs = fold(self.gate)
        assert [encoded(event) for event in outputs] == [encoded(event) for event in expected]
        assert outputs == expected
        assert self.gate.snapshot() == state
        self.note(outputs)

    def give(self, events: list[Event]) -> None:
        now = Now(self.us, self.us - self.silent_us)
        records = [Record(Cause("test", 0, self.offset + place), event) for place, event in enumerate(events)]
        self.offset += len(events)
        self.both([folding([record], now) for record in records], folding(records, now))

    def step(self) -> None:
        self.us += self.random.choice(STEPS_US)
        self.silent_us = self.random.choice((0, 0, 0, 0, 0, 0, SECOND, 6 * SECOND))
        now = Now(self.us, self.us - self.silent_us)
        if (due_us := self.gate.next_time()) is not None and due_us <= self.us:
            self.both([lambda gate: gate.on_time(now)], lambda gate: gate.on_time(now))
        if self.random.random() < MENDED:
            self.give(self.mend())
        self.give([self.event() for _ in range(self.random.randint(1, 8))])


def folding(records: list[Record], now: Now) -> Fold:
    return lambda gate: gate.on_batch(records, now)


def encoded(event: Event) -> bytes | None:
    return wire.encode(event, loop="lab").value


LIVES = {
    "tight": (TIGHT, TRUSTED, {"concurrency", "blast-radius", "maintenance", "healthy", "blocked pattern"}),
    "earned": (ROOMY, EARNED, {"level decided", "level promotion", "duplicate", "exploration"}),
    "trusted": (ROOMY, TRUSTED, {"failures", "level missing", "cooldown", "action-budget"}),
}
"""Settings, and some of what must have happened for a life of these to have shown anything."""
ALWAYS = {"abnormal", "pause", "settings", "approval", "allow", "escalate", "blocked entity", "blocked loop"}


@pytest.mark.timeout(EXAMPLES)
@pytest.mark.parametrize("life", LIVES)
def test_a_gate_that_lives_on_says_what_one_says_that_is_made_anew_before_every_record(life: str) -> None:
    settings, levels, expected = LIVES[life]
    said: Counter[str] = Counter()
    for seed in range(SEEDS):
        twins = Twins(seed, settings, levels)
        for _ in range(STEPS):
            twins.step()
        said += twins.said
    assert (ALWAYS | expected) <= set(said), sorted((ALWAYS | expected) - set(said))
