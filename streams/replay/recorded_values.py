"""The values of metrics that a decision was made by, as other settings would have had them: as far as the log tells."""

from collections.abc import Mapping, Sequence

from streams.loop.policy.values import MOST, NAMED, OTHER, OTHERS, chosen, values_of


def features_under(features: Mapping[str, float], names: Sequence[str]) -> dict[str, float]:
    """Return the features of a decision, of values those that count by `names`, where they were recorded."""
    rest = {name: value for name, value in features.items() if not name.startswith((NAMED, OTHER))}
    return rest | values_of(_values(features), names)


def are_recorded(features: Mapping[str, float], names: Sequence[str], *, own: Sequence[str]) -> bool:
    """Return whether a decision for which values counted by `own` has all that count by `names`.

    One without any value may have been made before values were known: of others than those named it tells nothing.
    """
    known = _values(features)
    if OTHERS in own and 0 < len(known) < MOST:
        return True  # nothing was left out
    before, behind = _parted(names)
    counting = before if OTHERS not in names else [*before, *(name for name in own if name != OTHERS)]
    absent = own if len(known) < MOST else _parted(own)[0][:MOST]
    if not all(name in known or name in absent for name in counting):
        return False
    if OTHERS not in names:
        return True
    taken, last = chosen(known, names), max((name for name in known if f"{OTHER}{name}" in features), default="")
    others = taken.keys() - set(names)  # those left out come behind the last of the others that was not
    return len(taken) == MOST and taken.keys().isdisjoint(behind) and all(name <= last for name in others)


def _values(features: Mapping[str, float]) -> dict[str, float]:
    return {name.partition(":")[2]: value for name, value in features.items() if name.startswith((NAMED, OTHER))}


def _parted(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the names before `*`, and those behind it that are not among them."""
    unique = list(dict.fromkeys(names))
    place = unique.index(OTHERS) if OTHERS in unique else len(unique)
    return unique[:place], unique[place + 1 :]
