"""What it brings to know an entity's latest values, and what it costs: `python -m tests.bench.values --seeds 10`.

Episodes of four kinds under the real policy, each learned from at once. A kind moves two of eight metrics; where all of
them lie is each entity's own, and `load` is moved by none. `silent`: every kind has a best action, wherever those lie.
`telling`: two kinds do; on the others one action helps where `load` is low, another where it is high. `regret` is how
much less likely what was chosen was to help than what was best.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from schemas.events import NONE, Event, MetricSignature, Proposal, Recurrence
from streams.loop.actions import ActionSettings
from streams.loop.policy import Policy, PolicySettings
from tests.bench.rows import Row, print_table, write_rows
from tests.loop.decided import at, experience, recorded, recurrence

ACTIONS = {name: ActionSettings(name=name, cost=0.0) for name in ("failover", "recycle", "restart", "shed")}
KINDS = ("failover", "shed", "", "")
"""The best action of each kind; none where `load` tells it."""
METRICS = tuple(sorted(("load", *(f"m{number}" for number in range(7)))))
LEVEL, SPREAD, MOVE = 50.0, 8.0, 6.0
"""Of metrics over the entities, and how far a kind moves its own, in deviations of an entity's noise of 1."""
HELPS, REST = 0.9, 0.2
"""With what probability the best action helps, and any other; doing nothing never does."""
WORLDS = ("silent", "telling")
SYSTEMS: dict[str, tuple[str, ...]] = {"flyball": ("*",), "load named": ("load", "*"), "without values": ()}
PARTS = 4


class World:
    """Episodes, and which action is best in each."""

    def __init__(self, name: str, seed: int) -> None:
        self._telling = name == "telling"
        self._rng = np.random.default_rng(seed)

    def episode(self, number: int) -> tuple[Recurrence, str]:
        """Return the next episode, and its best action."""
        kind = int(self._rng.integers(len(KINDS)))
        levels = self._rng.normal(LEVEL, SPREAD, len(METRICS))
        z = self._rng.normal(0.0, 1.0, len(METRICS))
        moved = [place for place, name in enumerate(METRICS) if name in (f"m{kind}", f"m{kind + 1}")]
        z[moved] += MOVE
        state = dict(zip(METRICS, (levels + z).tolist(), strict=True))
        low = "restart" if levels[METRICS.index("load")] < LEVEL else "recycle"
        best = KINDS[kind] or (low if self._telling else ("restart", "recycle")[kind % 2])
        signature = {
            name: MetricSignature(mean=mean, peak=mean, trend=0.0)
            for name, mean in zip(METRICS, z.tolist(), strict=True)
        }
        told = {"severity": MOVE, "signature": signature, "state": state}
        return recurrence(f"e{number}", f"web-{number}", f"p-{kind}", **told), best


def regrets(world: str, system: str, *, seed: int, decisions: int) -> list[float]:
    """Return the regret of each decision of a run; what helps is drawn alike for every system."""
    made, draws = World(world, seed), np.random.default_rng((seed, 1)).random(decisions).tolist()
    settings = PolicySettings(hold_out={"loop": 1.0, "baseline": 0.0, "none": 0.0}, values=SYSTEMS[system])
    policy = Policy(settings, loop="bench", seed=seed, actions=ACTIONS)
    found = []
    for number, draw in enumerate(draws):
        told, best = made.episode(number)
        (one,) = _proposals(policy.on_batch(recorded(told, first=number), at(number)))
        chance = 0.0 if one.action == NONE else HELPS if one.action == best else REST
        found.append(HELPS - chance)
        policy.on_batch(recorded(experience(one, reward=float(draw < chance)), first=number), at(number))
    return found


def rows_of(world: str, system: str, runs: Sequence[Sequence[float]]) -> Iterator[Row]:
    """Yield the mean regret of the whole run and of its parts."""
    yield _row(world, system, "regret", float(np.mean(runs)))
    for part, found in enumerate(np.array_split(np.array(runs), PARTS, axis=1), start=1):
        yield _row(world, system, f"regret_quarter_{part}", float(found.mean()))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.values", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--decisions", type=int, default=1_000)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(arguments)
    rows: list[Row] = []
    for world in WORLDS:
        for system in SYSTEMS:
            runs = [regrets(world, system, seed=seed, decisions=given.decisions) for seed in range(given.seeds)]
            rows += rows_of(world, system, runs)
    print_table(rows)
    write_rows(given.json, rows)


def _proposals(events: Sequence[Event]) -> list[Proposal]:
    return [event for event in events if isinstance(event, Proposal)]


def _row(case: str, system: str, metric: str, value: float) -> Row:
    return Row(benchmark="values", case=case, system=system, metric=metric, value=value, unit="probability")


if __name__ == "__main__":
    main()
