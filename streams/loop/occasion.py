"""What a processor folds one input on: its cause, the time, and the ids that follow from both."""

from collections.abc import Callable, Sequence

import msgspec

from schemas.events import Event
from schemas.ids import Cause, Mint
from streams.loop.processor import Input, Now, Record


class Occasion(msgspec.Struct, gc=False):
    """One input, or one timer: where outputs come from, when, and under which ids."""

    cause: Cause
    now: Now
    mint: Mint
    _causes: tuple[str, ...] | None = None

    def id(self) -> str:
        """Return the id of the next output."""
        return self.mint(self.cause)

    @property
    def causes(self) -> tuple[str, ...]:
        """The cause as events name it."""
        if self._causes is None:
            self._causes = (str(self.cause),)
        return self._causes


def fold_events(
    inputs: Sequence[Input], now: Now, mint: Mint, fold: Callable[[Event, Occasion], list[Event]]
) -> list[Event]:
    """Fold the events among the inputs in order, and return what they cause."""
    outputs: list[Event] = []
    for record in inputs:
        if isinstance(record, Record):
            outputs += fold(record.event, Occasion(record.cause, now, mint))
    return outputs
