"""A fix that sets off the alarm anew: policy, gate and notices stop it within three actions, and a person is told."""

from collections.abc import Iterator
from typing import Any

import msgspec

from connectors.notify.notices import Notices
from schemas.events import Action, Blocked, Event, Verdict
from schemas.ids import Cause
from streams.loop.actions import ActionSettings
from streams.loop.gate import Gate, GateSettings, LevelSettings
from streams.loop.policy import Policy, PolicySettings
from streams.loop.processor import Now, Record
from tests.loop import decided
from tests.loop.gate_bench import control, outcome

SECOND = 1_000_000
EVERY = 120 * SECOND
"""So long after one alarm the next one comes."""
ACTIONS = {"restart": ActionSettings(name="restart", limit="1000/hour")}
SHARES = {"loop": 1.0, "baseline": 0.0, "none": 0.0}


class RepairLoop:
    """One entity: each action on it ends well, its episode ends, and the alarm comes again as a new episode."""

    def __init__(self, **gate: Any) -> None:
        levels = LevelSettings(default="act", novel="act")
        self.policy = Policy(PolicySettings(hold_out=SHARES), loop="t", seed=7, actions=ACTIONS)
        self.gate = Gate(GateSettings(**gate), loop="t", settings_hash="h", actions=ACTIONS, levels=levels)
        self.notices = Notices(loop="t", hourly=20)
        self.us = decided.START
        self.offset = 0
        self.acted_us: list[int] = []
        self.told: list[tuple[int, str]] = []
        self.verdicts: list[Verdict] = []
        self.give(control("settings", "loop", "h"), control("pause", "loop", "running"))

    def episode(self, number: int) -> None:
        """Let an episode open, be decided, mended by whatever is done, and closed; its experience is a good one."""
        name = f"episode-{number}"
        opened = msgspec.structs.replace(decided.onset(name), id=f"opened-{number}", phase="opened")
        before = len(self.verdicts)
        self.give(opened, decided.recurrence(name))
        for verdict in self.verdicts[before:]:
            state = "observed" if verdict.action else "default"
            self.give(decided.experience(verdict.proposal, state, reward=1.0, time_us=self.us))
        self.give(decided.closed((self.us - decided.START) / SECOND, name))
        self.us += EVERY

    def give(self, *events: Event) -> None:
        """Hand events to policy and gate, and what each says to the other, until nothing more is said."""
        waiting = list(events)
        while waiting:
            records = [Record(Cause("t", 0, self.offset + n), event) for n, event in enumerate(waiting)]
            self.offset += len(records)
            now = Now(self.us, self.us)
            said = [*self.policy.on_batch(records, now), *self.gate.on_batch(records, now)]
            waiting = [*said, *(answer for event in said for answer in self.answers(event))]

    def answers(self, event: Event) -> Iterator[Event]:
        """Carry actions out, and tell people."""
        if isinstance(event, Action):
            self.acted_us.append(event.issued_us)
            yield outcome(event, "succeeded")
        elif isinstance(event, Verdict):
            self.verdicts.append(event)
        if isinstance(event, Verdict | Blocked):
            self.told += [(self.us, one.text) for one in self.notices.about(event, window_us=0, now_us=self.us)]


def test_a_repair_loop_stops_within_three_actions_and_a_person_is_told_once() -> None:
    loop = RepairLoop()
    for number in range(60):
        loop.episode(number)
    assert len(loop.acted_us) == 3
    ((told_us, text),) = loop.told
    assert text == "web-1: 3 actions within a day did not hold; the loop leaves it to you: `flyball why web-1`"
    assert loop.acted_us[-1] < told_us <= loop.acted_us[-1] + 2 * EVERY
