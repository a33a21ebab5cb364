"""What settings mean together: checks that no single key can make."""

import re
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any

from schemas.events import ASK, NONE
from schemas.topics import GROUP_SOURCES, TOPICS
from streams.loop.attribute import AttributeSettings
from streams.loop.detect import DetectSettings
from streams.loop.durations import format_duration
from streams.loop.gate import GATE_LIMITS, GateSettings
from streams.loop.gate.guards import problems_of
from streams.loop.gate.maintenance import parse_window
from streams.loop.limits import parse_limits
from streams.loop.policy import PolicySettings
from streams.settings.convert import Path, Problems

AT_LEAST: tuple[tuple[str, str, str, float], ...] = (
    ("telemetry", "partitions", "partitions", 1),
    ("ingest", "rows_per_frame", "rows_per_frame", 1),
    ("ingest", "linger_us", "linger", 1),
)
"""Section, field, key and least value of numbers whose structs state no range."""
BUILT_IN_EXECUTORS = ("log", "lab")
FOR_EVER = ("control", "promotions", "audit")
_LOOP_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_ACTION_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")

Sections = Mapping[str, Any]
Check = Callable[[Sections, Problems], None]


def cross_check(sections: Sections, problems: Problems) -> None:
    """Run every check over the sections that could be read."""
    for check in CHECKS:
        check(sections, problems)


def _loop_name(sections: Sections, problems: Problems) -> None:
    loop = sections.get("loop")
    if loop is not None and not _LOOP_NAME.fullmatch(loop.name):
        problems.add(
            ("loop", "name"), f'expected lower-case letters, digits, "-" and "_" (at most 63), got "{loop.name}"'
        )


def _stop_file(sections: Sections, problems: Problems) -> None:
    loop = sections.get("loop")
    if loop is not None and (PurePath(loop.stop_file).name in ("", "..") or not loop.stop_file.isprintable()):
        problems.add(("loop", "stop_file"), f'expected the name of a file in the folder data, got "{loop.stop_file}"')


def _action_names(sections: Sections, problems: Problems) -> None:
    for name in sections.get("actions", {}):
        if name == NONE:
            problems.add(("actions", name), f'"{NONE}" is always an arm and cannot be declared')
        elif name == ASK:
            problems.add(("actions", name), f'"{ASK}" is what asking a person is called and cannot be declared')
        elif not _ACTION_NAME.fullmatch(name):
            problems.add(
                ("actions", name), f'expected lower-case letters, digits, "-" and "_" (at most 63), got "{name}"'
            )


def _ranges(sections: Sections, problems: Problems) -> None:
    for section, field, key, least in AT_LEAST:
        if section in sections and getattr(sections[section], field) < least:
            problems.add((section, key), f"expected at least {least}, got {getattr(sections[section], field)}")
    for name, action in sections.get("actions", {}).items():
        if not 0 <= action.cost <= 1:
            problems.add(("actions", name, "cost"), f"expected a number from 0 to 1, got {action.cost:g}")
        if action.expires_us == 0:
            problems.add(("actions", name, "expires"), 'expected longer than 0s, got "0s"')


def _baseline(sections: Sections, problems: Problems) -> None:
    """Hold that the baseline is a declared action, the default one too."""
    actions = sections.get("actions", {})
    policy = sections.get("policy", PolicySettings())
    if not actions:
        problems.add(("actions",), "missing: declare at least one action, [actions.NAME]")
    elif policy.baseline not in actions:
        declared = ", ".join(sorted(actions))
        problems.add(("policy", "baseline"), f'expected a declared action ({declared}), got "{policy.baseline}"')


def _ask_cost(sections: Sections, problems: Problems) -> None:
    """Hold that no decision costs more than the most that it can earn: what is told of rewards rests on that."""
    ask_cost = sections.get("policy", PolicySettings()).ask_cost
    dearest = max((action.cost for action in sections.get("actions", {}).values()), default=0.0)
    if ask_cost is not None and ask_cost + dearest > 1:
        problems.add(
            ("policy", "ask_cost"),
            f"expected at most {1 - dearest:g}, so that it and the dearest action cost 1 at most, got {ask_cost:g}",
        )


def _renewal(sections: Sections, problems: Problems) -> None:
    """Hold that what renews an entity is a declared action."""
    actions, renewal = sections.get("actions", {}), sections.get("policy", PolicySettings()).renewal
    if renewal is not None and renewal.action not in actions:
        declared = ", ".join(sorted(actions)) or "none"
        problems.add(
            ("policy", "renewal", "action"), f'expected a declared action ({declared}), got "{renewal.action}"'
        )


def _judged_in_time(sections: Sections, problems: Problems) -> None:
    """Hold that what comes of a decision can be measured, and is known before the next one about the entity: else each
    would count as one that did not help, or as one of two that cannot be told apart.
    """
    outcome, detect = sections.get("attribute", AttributeSettings()), sections.get("detect", DetectSettings())
    _at_least(
        ("outcome", "horizon"),
        outcome.horizon_us,
        (outcome.normal_windows + 1) * detect.window_us + max(0, detect.lateness_us - outcome.grace_us),
        "outcome.normal_windows, and one more, of detect.window, and what detect.lateness is beyond outcome.grace: "
        "what was done is judged by them",
        problems,
    )
    _at_least(
        ("policy", "outcome_wait"),
        sections.get("policy", PolicySettings()).outcome_wait_us,
        outcome.horizon_us + outcome.grace_us,
        "outcome.horizon and outcome.grace: an entity is decided on again when what came of the last decision is known",
        problems,
    )


def _windows_kept(sections: Sections, problems: Problems) -> None:
    """Hold that a whole horizon is kept: what is told in windows beyond the limit would count as never told."""
    outcome, window_us = sections.get("attribute", AttributeSettings()), _window_us(sections)
    windows = -(-outcome.horizon_us // window_us) + 1 if window_us > 0 else 0
    if outcome.windows_limit < windows:
        horizon, window = format_duration(outcome.horizon_us), format_duration(window_us)
        problems.add(
            ("outcome", "windows_limit"),
            f"expected at least {windows} (outcome.horizon of {horizon} in detect.window of {window}, and one more), "
            f"got {outcome.windows_limit}",
        )


def _renewed_in_time(sections: Sections, problems: Problems) -> None:
    renewal = sections.get("policy", PolicySettings()).renewal
    if renewal is not None:
        path = ("policy", "renewal", "silence")
        _at_least(path, renewal.silence_us, 2 * _window_us(sections), "two of detect.window", problems)


def _window_us(sections: Sections) -> int:
    window_us: int = sections.get("detect", DetectSettings()).window_us
    return window_us


def _at_least(path: Path, got_us: int, least_us: int, why: str, problems: Problems) -> None:
    """Note a duration that is too short, unless it was noted that it is none: then it is the default that came."""
    if got_us < least_us and all(path != known for known, _ in problems.found):
        least, got = format_duration(least_us), format_duration(got_us)
        problems.add(path, f'expected at least {least} ({why}), got "{got}"')


def _escalation(sections: Sections, problems: Problems) -> None:
    wait_us = sections.get("attribute", AttributeSettings()).escalation_us
    window_us = sections.get("gate", GateSettings()).approval_window_us
    if wait_us <= window_us:
        longer, got = format_duration(window_us), format_duration(wait_us)
        problems.add(("outcome", "escalation"), f'expected longer than gate.approval_window ({longer}), got "{got}"')


def _limits(sections: Sections, problems: Problems) -> None:
    texts: list[tuple[Path, str]] = [
        (("actions", name, "limit"), action.limit) for name, action in sections.get("actions", {}).items()
    ]
    gate = sections.get("gate")
    if gate is not None:
        texts += [(("gate", key), getattr(gate, key)) for key in GATE_LIMITS]
    own_limit = sections.get("executors", {}).get("limit")
    if isinstance(own_limit, str):
        texts.append((("executors", "limit"), own_limit))
    for path, text in texts:
        try:
            parse_limits(text)
        except ValueError as error:
            problems.add(path, str(error))


def _maintenance(sections: Sections, problems: Problems) -> None:
    gate = sections.get("gate")
    for text in gate.maintenance if gate is not None else ():
        try:
            parse_window(text)
        except ValueError as error:
            problems.add(("gate", "maintenance"), str(error))


def _guards(sections: Sections, problems: Problems) -> None:
    """Compile every guard, hold its types against what a guard is given, and run its examples."""
    gate = sections.get("gate")
    for name, guard in gate.guards.items() if gate is not None else ():
        for message in problems_of(guard):
            problems.add(("gate", "guards", name), message)


def _executors(sections: Sections, problems: Problems) -> None:
    """Hold that what an action names is there; what an executor is, only its own package knows."""
    tables = sections.get("executors", {})
    declared = [f"{kind}.{name}" for kind, table in tables.items() if isinstance(table, dict) for name in table]
    known = [*BUILT_IN_EXECUTORS, *declared]
    for name, action in sections.get("actions", {}).items():
        if action.executor not in known:
            problems.add(("actions", name, "executor"), f'expected one of {", ".join(known)}, got "{action.executor}"')


def _levels(sections: Sections, problems: Problems) -> None:
    levels = sections.get("levels")
    for key in levels.exact if levels is not None else ():
        pattern, _, action = key.rpartition("/")
        if not pattern or action not in sections.get("actions", {}):
            problems.add(("levels", key), f'expected "PATTERN/ACTION" with a declared action, got "{key}"')


def _retention(sections: Sections, problems: Problems) -> None:
    kept_us: dict[str, int] = sections.get("retention", {})
    for topic in kept_us:
        if topic not in TOPICS:
            problems.unknown(("retention", topic), list(TOPICS))
        elif topic in FOR_EVER or TOPICS[topic].cleanup == "compact":
            problems.add(("retention", topic), "is kept for ever or compacted: its retention cannot be changed")
    for role, sources in GROUP_SOURCES.items():
        journal_us = _kept_us(f"journal-{role}", kept_us)
        for source in sources:
            if source in kept_us and kept_us[source] > journal_us and TOPICS[source].retention_ms < 365 * 86_400_000:
                longest = format_duration(journal_us)
                problems.add(("retention", source), f"expected at most {longest}, as long as journal-{role} is kept")
                break


def _kept_us(topic: str, kept_us: Mapping[str, int]) -> int:
    return kept_us.get(topic, TOPICS[topic].retention_ms * 1000)


CHECKS: tuple[Check, ...] = (
    _loop_name,
    _stop_file,
    _action_names,
    _ranges,
    _baseline,
    _ask_cost,
    _renewal,
    _judged_in_time,
    _windows_kept,
    _renewed_in_time,
    _escalation,
    _limits,
    _maintenance,
    _guards,
    _executors,
    _levels,
    _retention,
)
