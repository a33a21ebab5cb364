"""Argument lists with places for values of an action, filled in so that a value is never more than a value."""

import re
from collections.abc import Iterator

from schemas.events import Action

SAFE_VALUE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@-]*", re.ASCII)
"""What a value must look like where nothing else is said: no blank, no slash, no option, nothing a program reads as a
pattern or a path."""
VALUE_LIMIT = 255
_PLACE = re.compile(r"(?<!\{)\{([A-Za-z][\w.-]*)\}(?!\})", re.ASCII)
_PARAMETER = "parameters."


class ValueNotAllowedError(Exception):
    """An action carries a value that must not become an argument."""


def problems_of(argv: tuple[str, ...]) -> Iterator[str]:
    """Yield what is wrong with a template."""
    if not argv or not argv[0].startswith("/") or _PLACE.search(argv[0]):
        yield "argv must begin with the absolute path of a program"
    for name in _names(argv):
        if name not in ("id", "action", "entity") and not name.startswith(_PARAMETER):
            yield f"argv knows {{id}}, {{action}}, {{entity}} and {{parameters.NAME}}, got {{{name}}}"
    if any("\0" in one for one in argv):
        yield "argv must not hold a null character"


def fill(argv: tuple[str, ...], action: Action, *, values: re.Pattern[str]) -> list[str]:
    """Return the arguments for an action; raises `ValueNotAllowedError`.

    Every value must match `values` from end to end, and whatever that allows, no argument that does not begin with a
    dash in the template begins with one afterwards.
    """
    given = {name: _value(name, action, values) for name in _names(argv)}
    filled = [_PLACE.sub(lambda match: given[match[1]], one) for one in argv]
    for template, argument in zip(argv, filled, strict=True):
        if argument.startswith("-") and not template.startswith("-"):
            raise ValueNotAllowedError(f"{template} would become the option {argument[:80]!r}")
    return filled


def _names(argv: tuple[str, ...]) -> list[str]:
    return [name for one in argv for name in _PLACE.findall(one)]


def _value(name: str, action: Action, values: re.Pattern[str]) -> str:
    if name.startswith(_PARAMETER):
        value = action.parameters.get(name.removeprefix(_PARAMETER))
    else:
        value = {"id": action.id, "action": action.action, "entity": action.entity}[name]
    if value is None:
        raise ValueNotAllowedError(f"the action has no {name}")
    if len(value) > VALUE_LIMIT or "\0" in value or values.fullmatch(value) is None:
        raise ValueNotAllowedError(f"expected {name} to match {values.pattern}, got {value[:80]!r}")
    return value
