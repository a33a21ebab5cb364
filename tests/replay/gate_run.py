"""A gate's run in memory, recorded as a worker records it: inputs, journal and verdicts on a log."""

from schemas import wire
from schemas.events import Action, Event, LevelChange, Verdict
from streams.app import make_other_gate
from streams.loop.decode import make_decode
from streams.loop.processor import Now
from streams.loop.step import journal_entry, journal_message, take_step
from streams.operate.memory_reader import MemoryReader
from streams.operate.what_if import WhatIf, what_if
from streams.replay import MemoryLog
from streams.settings import Settings, parse
from tests.loop.gate_bench import START, control, opened
from tests.loop.levels_bench import LevelBench

TEXT = """
[loop]
name = "lab"
[levels]
default = "act"
[gate]
abnormal_share = 1.0
[actions.restart]
cost = 0.1
"""


def settings(gate: str = "", levels: str = "", text: str = TEXT) -> Settings:
    """Return settings with more keys in two sections."""
    text = text.replace("[gate]", f"[gate]\n{gate}").replace('default = "act"', levels or 'default = "act"')
    return parse(text, name="loop.toml")


class GateRun:
    """Takes a step for each call of `give` or `tick`, at `us`."""

    def __init__(self, own: Settings, *, first_step: int = 0) -> None:
        self.settings = own
        self.log = MemoryLog()
        self.us = START
        self._hash = own.settings_hash
        self._role = make_other_gate(own, loop="lab", settings_hash=self._hash, decode=make_decode())
        self._step = first_step
        self.instance = "gate-1"
        self.give(control("settings", "loop", self._hash), control("pause", "loop", "running"))
        self.give(*(opened(f"e{n}") for n in range(10)))

    def give(self, *events: Event) -> list[Event]:
        """Write events to their topics, and fold them in one step."""
        self.log.now_us = self.us
        starts = {topic: self.log.end(topic, 0) for topic in {event.TOPIC for event in events}}
        for event in events:
            self.log.append(wire.encode(event, loop="lab"))
        batches = [self.log.read(topic, 0, start) for topic, start in sorted(starts.items())]
        return self._take([batch for batch in batches if batch is not None])

    def tick(self) -> list[Event]:
        """Fire the timers that are due."""
        return self._take([])

    def restart(self, own: Settings) -> None:
        """Go on under other settings, as after a change of the file; they are still to be activated."""
        state = self._role.snapshot()
        self._hash = own.settings_hash
        self._role = make_other_gate(own, loop="lab", settings_hash=self._hash, decode=make_decode())
        self._role.restore(state)

    def what_if(self, other: Settings) -> WhatIf:
        """Return what other settings would have made of it."""
        (found,) = what_if(MemoryReader(self.log), self.settings, {"other": other}, make_decode=make_decode)
        return found

    def _take(self, batches: list) -> list[Event]:  # type: ignore[type-arg]
        output = take_step(self._role, batches, Now(self.us, self.us), loop="lab")
        entry = journal_entry(
            output,
            loop="lab",
            role="gate",
            partition=0,
            step=self._step,
            code="test",
            settings_hash=self._hash,
            instance=self.instance,
        )
        self._step += 1
        for message in (journal_message(entry, loop="lab"), *output.messages):
            self.log.append(message)
        return list(output.events)


def verdict_of(events: list[Event]) -> Verdict:
    """Return the one verdict among outputs."""
    (found,) = [event for event in events if isinstance(event, Verdict)]
    return found


def action_of(events: list[Event]) -> Action:
    """Return the one action among outputs."""
    (found,) = [event for event in events if isinstance(event, Action)]
    return found


class LevelRun(LevelBench):
    """A recorded gate whose pairs earn and lose their levels; who is asked approves."""

    def __init__(self, own: Settings) -> None:
        self.record = GateRun(own)
        self.us = self.record.us
        self.changes: list[LevelChange] = []
        self.started: list[Action] = []
        self.number, self.again = 0, False

    def give(self, *events: Event) -> list[Event]:
        """Take one recorded step."""
        self.record.us = self.us
        made = self.record.give(*events)
        self.changes += [event for event in made if isinstance(event, LevelChange)]
        return made
