"""How many verdicts a second the gate gives, with every check and many live keys: `python -m tests.bench.gate_speed`.

The pure processor, on one core, by CPU time, medians of `--rounds`. `allowed`: each verdict becomes an action, of
which everything is reserved; `refused`: the entity still cools down. `--keys` entities have reservations, an open
episode and a cooldown each. `ends` are outcomes folded, `learned` the experiences of them, without which no action
would be let through for long. Beside: `encode`, the mere encoding of the same verdicts to the bytes of the wire, which
the worker does besides.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from time import process_time
from typing import ParamSpec, TypeVar

import msgspec

from schemas import wire
from schemas.events import Event, Proposal
from streams.loop.actions import ActionSettings
from streams.loop.gate import GateSettings, LevelSettings
from tests.bench.rows import Row, print_table, write_rows
from tests.loop.gate_bench import Bench, actions, control, experience, opened, outcome, proposal, verdicts

Given = ParamSpec("Given")
Result = TypeVar("Result")
KEYS = 10_000
BATCH = 200
WIDE = "10000/hour"
ACTIONS = {
    f"action-{number}": ActionSettings(name=f"action-{number}", limit=WIDE, cooldown_us=3_600_000_000)
    for number in range(5)
}
SETTINGS = GateSettings(
    loop_limit=WIDE,
    pattern_limit=WIDE,
    explore_limit=WIDE,
    concurrency=100_000,
    blast_count=100_000,
    maintenance=("Sat 22:00 - Sun 06:00 Europe/Berlin",),
)


class Clock:
    """Adds up CPU time by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def time(self, name: str, work: Callable[Given, Result], *given: Given.args, **named: Given.kwargs) -> Result:
        began = process_time()
        result = work(*given, **named)
        self.seconds[name] = self.seconds.get(name, 0.0) + process_time() - began
        return result


def proposals(keys: int, round_name: str) -> list[Proposal]:
    """Return a proposal for every entity."""
    names = list(ACTIONS)
    return [
        proposal(
            f"{round_name}-{number}",
            entity=f"entity-{number}",
            episode=f"episode-entity-{number}",
            action=names[number % len(names)],
            pattern=f"p-{number % 100}",
            probabilities={names[number % len(names)]: 0.9, "none": 0.1},
        )
        for number in range(keys)
    ]


def one_round(keys: int) -> dict[str, float]:
    """Return things per CPU second by name, and the bytes of the gate's state."""
    bench = Bench(settings=SETTINGS, levels=LevelSettings(default="act"), actions=ACTIONS)
    bench.give(control("settings", "loop", bench.hash), control("pause", "loop", "running"))
    bench.give(*(opened(f"entity-{number}") for number in range(keys)))
    clock = Clock()
    for name in ("allowed", "refused"):
        waiting = proposals(keys, name)
        for start in range(0, keys, BATCH):
            bench.us += 10_000
            batch = [msgspec.structs.replace(one, time_us=bench.us) for one in waiting[start : start + BATCH]]
            outputs = clock.time(name, bench.give, *batch)
            assert all((verdict.verdict == "allow") == (name == "allowed") for verdict in verdicts(outputs))
            clock.time("encode", _encode, verdicts(outputs))
            ends = [outcome(action, "succeeded") for action in actions(outputs)]
            clock.time("ends", bench.give, *ends)
            told = [
                experience(verdict, reward=0.7, time_us=verdict.time_us)
                for verdict in verdicts(outputs)
                if verdict.action is not None
            ]
            clock.time("learned", bench.give, *told)
    counts = {"allowed": keys, "refused": keys, "encode": 2 * keys, "ends": keys, "learned": keys}
    return {name: counts[name] / seconds for name, seconds in clock.seconds.items()} | {
        "state": float(len(bench.gate.snapshot()))
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.gate_speed", description=__doc__)
    parser.add_argument("--keys", type=int, default=KEYS, help="entities with reservations, episodes and cooldowns")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rounds = [one_round(arguments.keys) for _ in range(arguments.rounds)]
    case = f"{arguments.keys} keys"
    rows = []
    for name in rounds[0]:
        value = median(found[name] for found in rounds)
        metric, unit = ("state", "bytes") if name == "state" else (_METRICS[name], "1/s")
        rows.append(
            Row(benchmark="gate_speed", case=case, system=f"flyball {name}", metric=metric, value=value, unit=unit)
        )
    print_table(rows)
    write_rows(arguments.json, rows)


_METRICS = {
    "allowed": "verdicts_per_s",
    "refused": "verdicts_per_s",
    "encode": "verdicts_encoded_per_s",
    "ends": "outcomes_per_s",
    "learned": "experiences_per_s",
}


def _encode(events: Sequence[Event]) -> None:
    for event in events:
        wire.encode(event, loop="lab")


if __name__ == "__main__":
    main()
