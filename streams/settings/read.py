"""Reading a `loop.toml`: syntax, then every key, then what the keys mean together."""

import re
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import inspect as shapes

from schemas.errors import SettingsError
from streams.loop.actions import ActionSettings
from streams.loop.durations import parse_duration
from streams.loop.gate import LEVELS, LevelSettings
from streams.settings.convert import Path as Key
from streams.settings.convert import Problems, shape_of, spelled, struct_of
from streams.settings.crosschecks import cross_check
from streams.settings.positions import Positions
from streams.settings.profiles import Profile, with_profile, written_presets
from streams.settings.sections import Settings

EXAMPLE = resources.files("streams.templates").joinpath("loop.toml").read_text(encoding="utf-8")
"""The commented `loop.toml` that `flyball init` writes."""
SPELLED = {"attribute": "outcome"}
"""Fields of `Settings` whose section in the file has another name."""
PASSED_ON = ("lab", "executors", "notify")
"""Sections that others read."""
Worlds = Mapping[str, type[msgspec.Struct]]
NO_WORLDS: Worlds = {}
S = TypeVar("S", bound=msgspec.Struct)
_SYNTAX = re.compile(r"(?P<what>.*) \(at (?:line (?P<line>\d+), column \d+|end of document)\)", re.DOTALL)


def load(path: Path, *, worlds: Worlds = NO_WORLDS, profile: Profile | None = None) -> Settings:
    """Read a file; raises `SettingsError` with every problem, each `PATH:LINE: KEY: what was expected, what came`.

    `worlds` are the structs of sections that the loop itself does not know (`lab`): they are checked with the rest.
    `profile` takes the place of the one that the file names.
    """
    return parse(_text(path), name=str(path), worlds=worlds, profile=profile)


def load_written_presets(path: Path) -> tuple[str, ...]:
    """Return the keys that a file states although profiles preset them: they are the same under every profile."""
    return written_presets(_tables(_text(path), str(path)))


def parse(text: str, *, name: str, worlds: Worlds = NO_WORLDS, profile: Profile | None = None) -> Settings:
    """Read a text; `name` is what its problems call it. Raises `SettingsError` with every problem."""
    tables = _tables(text, name)
    problems = Problems()
    settings = _settings(with_profile(tables, profile), problems)
    for section, cls in worlds.items():
        struct_of(cls, tables.get(section, {}), path=(section,), problems=problems)
    if settings is not None and not problems.found:
        return settings
    positions = Positions(text)
    lines = sorted((positions.line(path), ".".join(path), message) for path, message in problems.found)
    raise SettingsError([f"{name}:{line}: {path}: {message}" for line, path, message in lines])


def world_settings(cls: type[S], settings: Settings, *, section: str = "lab") -> S:
    """Return the settings of a world that only its own package knows; raises `SettingsError` with every problem."""
    problems = Problems()
    found = struct_of(cls, getattr(settings, section), path=(section,), problems=problems)
    if found is None or problems.found:
        raise SettingsError([f"{'.'.join(path)}: {message}" for path, message in problems.found])
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise SettingsError([f"{path}: expected UTF-8 text, got a byte that is none at {error.start}"]) from error
    except OSError as error:
        raise SettingsError([f"{path}: cannot be read ({error.strerror}); `flyball init` writes one"]) from error


def _tables(text: str, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError([_syntax(error, text, name)]) from error


def _syntax(error: tomllib.TOMLDecodeError, text: str, name: str) -> str:
    match = _SYNTAX.fullmatch(str(error))
    line = (match["line"] if match else None) or str(text.count("\n") + 1)
    what = match["what"] if match else str(error)
    return f"{name}:{line}: not valid TOML: {what[:1].lower()}{what[1:]}"


def _settings(tables: dict[str, Any], problems: Problems) -> Settings | None:
    fields = {SPELLED.get(field.name, field.name): field.name for field in shape_of(Settings).fields}
    for section in tables:
        if section not in fields:
            problems.unknown((section,), list(fields))
    found = {
        fields[section]: _section(fields[section], table, (section,), problems)
        for section, table in tables.items()
        if section in fields
    }
    if "loop" not in tables:
        problems.add(("loop",), "missing: a loop needs at least [loop] with a name")
    sections = {name: value for name, value in found.items() if value is not None}
    cross_check(sections, problems)
    return None if problems.found else Settings(**sections)


def _section(name: str, table: Any, path: Key, problems: Problems) -> Any:
    if not isinstance(table, dict):
        problems.add(path, f"expected a table, got {spelled(table)}")
        return None
    if name in PASSED_ON:
        return table
    match name:
        case "actions":
            return _actions(table, path, problems)
        case "levels":
            return _levels(table, path, problems)
        case "retention":
            return _retention(table, path, problems)
        case _:
            return struct_of(_section_type(name), table, path=path, problems=problems)


def _section_type(name: str) -> type[msgspec.Struct]:
    """Return the struct of a section, as `Settings` declares it."""
    shape = next(field.type for field in shape_of(Settings).fields if field.name == name)
    options = shape.types if isinstance(shape, shapes.UnionType) else (shape,)
    return next(option.cls for option in options if isinstance(option, shapes.StructType))


def _actions(table: dict[str, Any], path: Key, problems: Problems) -> dict[str, ActionSettings]:
    actions: dict[str, ActionSettings] = {}
    for name, keys in table.items():
        if not isinstance(keys, dict):
            problems.add((*path, name), f"expected a table [actions.{name}], got {spelled(keys)}")
            continue
        action = struct_of(ActionSettings, keys, path=(*path, name), problems=problems, given={"name": name})
        if action is not None:
            actions[name] = action
    return actions


def _levels(table: dict[str, Any], path: Key, problems: Problems) -> LevelSettings | None:
    exact = {key: level for key, level in table.items() if "/" in key}
    rest = {key: level for key, level in table.items() if "/" not in key}
    for key, level in exact.items():
        if level not in LEVELS:
            expected = ", ".join(f'"{one}"' for one in LEVELS)
            problems.add((*path, key), f"expected one of {expected}, got {spelled(level)}")
    return struct_of(LevelSettings, rest, path=path, problems=problems, given={"exact": exact})


def _retention(table: dict[str, Any], path: Key, problems: Problems) -> dict[str, int]:
    kept: dict[str, int] = {}
    for topic, value in table.items():
        try:
            if not isinstance(value, str):
                raise ValueError(f'expected a duration such as "3d", got {spelled(value)}')
            kept[topic] = parse_duration(value)
        except ValueError as error:
            problems.add((*path, topic), str(error))
    return kept
