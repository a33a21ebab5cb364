"""Who has confirmed an order, who has not, who is not heard any more, and what runs on."""

from collections.abc import Sequence

import msgspec

from streams.operate.held import Held

SILENCE_STOPS_S = 10.0
"""Who has not heard `control` for so long starts nothing, and tries nothing again, before he has read all of it."""
GONE_S = 86_400.0
"""An executor that holds nothing and was not heard for so long is no longer told of."""
NAMED = 10
"""So many actions are named in a line."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the gate's worker or an executor made of an order; `silent_s` where it is not heard, `held` what it does."""

    name: str
    confirmed: bool
    silent_s: float | None = None
    held: tuple[Held, ...] = ()

    @property
    def may_run(self) -> bool:
        """Whether it is not heard and may be in the middle of an action."""
        return self.silent_s is not None and bool(self.held)

    def why_missing(self) -> str:
        """Say that it has not confirmed, for how long it was not heard, and what that means."""
        if self.silent_s is None:
            return f"{self.name} has not confirmed"
        may = f"it may still run: {_listed(self.held)}" if self.held else "it holds no action"
        return f"{self.name} not heard for {self.silent_s:.0f} s: {may}"


class Confirmation(msgspec.Struct, frozen=True, kw_only=True):
    """What all of them made of one order, `age_s` after it was written. Who is not heard has not confirmed."""

    gates: tuple[Answer, ...]
    """Of the workers that hold a partition of the gate."""
    executors: tuple[Answer, ...]
    age_s: float

    @property
    def gate_heard(self) -> bool:
        """Whether the gate has confirmed: whoever holds a partition of it, for its former owners are fenced."""
        heard = [one for one in self.gates if one.silent_s is None]
        return bool(heard) and all(one.confirmed for one in heard)

    @property
    def nobody(self) -> bool:
        """Whether no gate and no executor is there, or those that are known are all silent and hold nothing."""
        return all(self._is_idle(one) for one in (*self.gates, *self.executors))

    @property
    def heard(self) -> bool:
        """Whether the gate and every executor have confirmed."""
        return self.gate_heard and all(one.confirmed for one in self.executors)

    @property
    def heard_by_all_there(self) -> bool:
        """Whether the gate and every executor have confirmed but those that are silent and hold nothing, or nobody is
        there: who starts, or is heard again, reads all orders first.
        """
        return self.nobody or (self.gate_heard and all(one.confirmed or self._is_idle(one) for one in self.executors))

    @property
    def obeyed(self) -> bool:
        """Whether nothing starts against an order that stops something: an executor that is not heard obeys by that,
        once it must have noticed that it hears nothing.
        """
        return self.gate_heard and all(one.confirmed or self._is_stopped(one) for one in self.executors)

    @property
    def stopped(self) -> bool:
        """Whether nothing starts, and nothing is, or may be, running."""
        return self.obeyed and not any(one.held for one in self.executors)

    def who(self) -> str:
        """Say who has confirmed and who has not."""
        confirmed = sum(one.confirmed for one in self.executors)
        count = f"{confirmed} of {len(self.executors)} executors confirmed"
        return f"gate and {count}" if self.gate_heard else f"{self.of_gate()}, {count}"

    def who_is_there(self) -> str:
        """Say who has confirmed, who has not, and who is not heard; that nobody is there, where that is so."""
        if not self.gates and not self.executors:
            return "nobody has confirmed, as no gate and no executor is there yet: who starts hears it first"
        told = f"{self.who()}{self.missing()}"
        return f"{told}; nobody is heard: who starts hears it first" if self.nobody else told

    def of_gate(self) -> str:
        """Say whether the gate has confirmed, and why not."""
        return "gate confirmed" if self.gate_heard else f"gate NOT confirmed{self._why_gate()}"

    def missing(self) -> str:
        """Say which executors have not confirmed, and what those that are not heard may be doing; "" where all have."""
        return "".join(f"; {one.why_missing()}" for one in self.executors if not one.confirmed)

    def running(self) -> str:
        """Say what the executors that are heard are doing."""
        held = [action for one in self.executors if one.silent_s is None for action in one.held]
        if held:
            return f"{len(held)} still running: {_listed(held)}"
        return "nothing else running" if any(one.may_run for one in self.executors) else "nothing running"

    def _is_stopped(self, one: Answer) -> bool:
        """Return whether one is not heard, and must have noticed by now that it hears nothing: it starts nothing."""
        return self.age_s >= SILENCE_STOPS_S and one.silent_s is not None

    def _is_idle(self, one: Answer) -> bool:
        return self._is_stopped(one) and not one.held

    def _why_gate(self) -> str:
        if any(one.silent_s is None for one in self.gates):
            return ""
        silent = [f"{one.name} not heard for {one.silent_s:.0f} s" for one in self.gates]
        return f" ({', '.join(silent) or 'no worker holds it'})"


def _listed(held: Sequence[Held]) -> str:
    more = f" and {len(held) - NAMED} more" if len(held) > NAMED else ""
    return " and ".join(one.text() for one in held[:NAMED]) + more
