"""What an entity is like when a decision is made, as features: the latest values of its metrics."""

from collections.abc import Mapping, Sequence
from math import isfinite

from msgspec.structs import replace

from schemas.events import Measurement
from streams.loop.policy.state import Open, Waiting

NAMED, OTHER = "value:", "other:"
"""Before the name of a metric that was named, and of any other: who names another is no change to what was learned."""
OTHERS = "*"
"""Stands for the metrics that are not named."""
MOST = 8
"""Metrics that count in one decision."""
WEIGHT = MOST**-0.5
"""How much one that was not named counts at first, of any other feature: all of them together as much as one. What they
say mostly has nothing to do with what helps, and would only blur what little is known early on.
"""


def chosen(values: Mapping[str, float], names: Sequence[str]) -> dict[str, float]:
    """Return the values that count, at most `MOST`: those named first, in their order, and at the place of `*` all
    others, by name. What is not finite is none.
    """
    known = {name: value for name, value in values.items() if isfinite(value)}
    others = sorted(known.keys() - set(names))
    ranked = dict.fromkeys(one for name in names for one in (others if name == OTHERS else [name]) if one in known)
    return {name: known[name] for name in [*ranked][:MOST]}


def values_of(values: Mapping[str, float], names: Sequence[str]) -> dict[str, float]:
    """Return the features: in the units of the metrics, as their scale is learned."""
    found = chosen(values, names).items()
    return {f"{NAMED if name in names else OTHER}{name}": value for name, value in found}


def see(one: Open | Waiting, measurement: Measurement, names: Sequence[str]) -> None:
    """Keep what is known of an entity up to date until its episode is decided, or decided again."""
    one.recurrence = replace(one.recurrence, state=chosen(one.recurrence.state | measurement.values, names))
