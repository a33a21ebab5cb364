"""What the bandit loses where outcomes go wrong: `python -m tests.bench.gone_wrong`.

The worlds of `tests.bench.drift`. What is measured of each decision, and how its action ended, goes through the real
attribute and what the policy learns of it; a decision is made when the window of the one before has ended.

* `unseen`: of 30 % of the decisions nothing is measured, though their ends are told; `silent`: nor are their ends.
* `biased`: silent by arm and outcome: 15 to 45 % by arm, half as often again of successes, half as often of failures.
* `late`: of 20 % all that is known comes ten windows late; `twice`: 5 % are told twice.
* `negated`: 5 % of the rewards come with the other sign; `swapped`: of 5 % normal is taken for abnormal.
* `all`: biased, late, twice and negated, all at once; `all_swapped`: with swapped ones instead of negated ones.

Nothing costs here, so rewards are 0 and 1: of what is negated the product refuses every success (minus one can be no
reward), and a failure is as it was (minus zero). That shows what a wrong sign costs where it cannot be a reward; what
wrong outcomes cost that could be true, `swapped` shows.

`share_of_clean` is the score of `drift` over that of the product without trouble; `regret` is what the best arm of each
decision earns more, on average, over that of the product without trouble. Beside, under the last: `no repair`, the same
models told every experience as one more observation, and linear Thompson sampling, which forgets nothing, likewise.
"""

import argparse
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from msgspec.structs import replace

from schemas.events import Event, Experience
from streams.loop.actions import ActionSettings
from streams.loop.attribute import Attribute, AttributeSettings
from streams.loop.policy.learning import LEARNED, teach
from streams.loop.processor import Now
from tests.bench.bandit_play import POLICY, Floats, Flyball, LinearThompson, play
from tests.bench.drift import ARMS, AS_POLICY, DECISIONS, FEATURES, World, world
from tests.bench.rows import Row, print_table, write_rows
from tests.loop.decided import START, S, measurement, outcome, proposal, recorded, verdict

HORIZON_S, GRACE_S, EVERY_S = 10, 2, 12
LATE_BY = 10
"""Windows: so many decisions are made before a late outcome is known."""
ATTRIBUTE = AttributeSettings(
    horizon_us=HORIZON_S * S, grace_us=GRACE_S * S, late_us=(LATE_BY + 2) * EVERY_S * S, normal_windows=1
)
NAMES = [f"arm-{number:02d}" for number in range(ARMS)]
PROPOSAL = proposal()
VERDICT = verdict(PROPOSAL)
ENDS = outcome(VERDICT, "claimed", 0.0), outcome(VERDICT, "succeeded", 0.0)
MEASUREMENT = measurement(0.0, abnormal=False)
ACTIONS = {name: ActionSettings(name=name, cost=0.0) for name in NAMES}
THOMPSON = 0.25
"""Width of the posterior of linear Thompson sampling, in standard deviations of a reward."""
CHANGES = (0, 1, 4)
HALF = 0.5
BY_OUTCOME = (0.5, 1.5)
"""How much likelier a failure and a success are silent, where that is biased."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Shares of decisions: silent ones, of which nothing is measured nor told (`told`: their ends are), ..."""

    silent: float = 0.0
    told: bool = False
    biased: bool = False
    late: float = 0.0
    twice: float = 0.0
    negated: float = 0.0
    swapped: float = 0.0


CLEAN = Trouble()
TROUBLES = {
    "unseen": Trouble(silent=0.3, told=True),
    "silent": Trouble(silent=0.3),
    "biased": Trouble(silent=0.3, biased=True),
    "late": Trouble(late=0.2),
    "twice": Trouble(twice=0.05),
    "negated": Trouble(negated=0.05),
    "swapped": Trouble(swapped=0.05),
    "all_swapped": Trouble(silent=0.3, biased=True, late=0.2, twice=0.05, swapped=0.05),
    "all": Trouble(silent=0.3, biased=True, late=0.2, twice=0.05, negated=0.05),
}


class Wrong(NamedTuple):
    """What goes wrong with one decision."""

    silent: bool
    late: bool
    twice: bool
    negated: bool
    swapped: bool


class Found(NamedTuple):
    """Mean reward, and the mean of what the best arm of each decision earns more."""

    earned: float
    regret: float


class Chance:
    """What goes wrong with each decision of a run: the same for whoever decides."""

    def __init__(self, trouble: Trouble, seed: int) -> None:
        rng = np.random.default_rng((seed, 77))
        self._trouble = trouble
        self._arms = rng.permutation(np.linspace(0.5, 1.5, ARMS)).tolist()
        self._draws = rng.random((DECISIONS, 5)).tolist()

    def of(self, number: int, arm: int, reward: float) -> Wrong:
        """Return what goes wrong with a decision, counted from 1."""
        trouble = self._trouble
        silent = trouble.silent
        if trouble.biased:
            silent *= self._arms[arm] * BY_OUTCOME[int(reward)]
        shares = (silent, trouble.late, trouble.twice, trouble.negated, trouble.swapped)
        return Wrong(*(draw < share for draw, share in zip(self._draws[number - 1], shares, strict=True)))


class Hearer(Protocol):
    """Chooses an arm for each row, and is told what attribute makes of it; decisions are counted from 1."""

    def choose(self, row: Floats, draw: float) -> int: ...

    def hear(self, number: int, experience: Experience) -> None: ...


class Product(Flyball):
    """Learns what the policy learns."""

    def __init__(self) -> None:
        super().__init__(FEATURES, ARMS, settings=AS_POLICY)
        self._seen: OrderedDict[str, None] = OrderedDict()

    def hear(self, number: int, experience: Experience) -> None:  # noqa: ARG002, its key says which
        teach(self.model, experience, self._seen, remembered=POLICY.remembered)


class NoRepair(Flyball):
    """The same models; every experience is one more observation."""

    def __init__(self) -> None:
        super().__init__(FEATURES, ARMS, settings=AS_POLICY)
        self._rows: list[dict[str, float]] = []

    def choose(self, row: Floats, draw: float) -> int:
        self._rows.append(dict(zip(self.features, row.tolist(), strict=True)))
        return super().choose(row, draw)

    def hear(self, number: int, experience: Experience) -> None:
        if experience.state in LEARNED and experience.reward is not None:
            self.model.learn_one(self._rows[number - 1], experience.reward, action=experience.effective)


class Thompson(LinearThompson):
    """Likewise."""

    def __init__(self, seed: int) -> None:
        super().__init__(FEATURES, ARMS, seed=seed, width=THOMPSON)
        self._asked: list[tuple[Floats, int]] = []

    def choose(self, row: Floats, draw: float) -> int:
        arm = super().choose(row, draw)
        self._asked.append((self.row, arm))
        return arm

    def hear(self, number: int, experience: Experience) -> None:
        if experience.state in LEARNED and experience.reward is not None:
            self.row, self.arm = self._asked[number - 1]
            self.learn(experience.reward)


class Troubled:
    """A player of whose decisions windows are measured and ends are told, or not."""

    def __init__(self, hearer: Hearer, trouble: Trouble, *, seed: int) -> None:
        self._hearer = hearer
        self._attribute = Attribute(ATTRIBUTE, loop="bench", actions=ACTIONS)
        self._trouble, self._chance = trouble, Chance(trouble, seed)
        self._late: dict[int, list[Event]] = {}
        self._wrong: dict[str, tuple[int, Wrong]] = {}
        self.arms: list[int] = []

    def choose(self, row: Floats, draw: float) -> int:
        self.arms.append(self._hearer.choose(row, draw))
        return self.arms[-1]

    def learn(self, reward: float) -> None:
        """Let a window pass in which the decision earned a reward of 0 or 1."""
        number, arm = len(self.arms), self.arms[-1]
        wrong = self._chance.of(number, arm, reward)
        key, begin_s = f"decision-{number}", number * EVERY_S
        self._wrong[key] = number, wrong
        begin_us, end_us = START + begin_s * S, START + (begin_s + HORIZON_S) * S
        what = replace(PROPOSAL, id=key, episode=key, entity=key, action=NAMES[arm])
        decided = replace(VERDICT, id=f"{key}-verdict", time_us=begin_us, proposal=what, action=f"{key}-action")
        claim, end = (replace(one, id=f"{key}-{one.id}", action=decided.action, started_us=begin_us) for one in ENDS)
        end = replace(end, ended_us=begin_us)
        abnormal = (reward < HALF) != wrong.swapped
        seen = replace(MEASUREMENT, id=f"{key}-seen", entity=key, start_us=begin_us, end_us=end_us, abnormal=abnormal)
        known: list[Event] = [end] if self._trouble.told else []
        if not wrong.silent:
            known = [seen, end]
            if wrong.late:
                self._late[number + LATE_BY] = known
                known = []
        self._pass([decided, claim, *known, *self._late.pop(number, ())], begin_s)

    def _pass(self, events: Sequence[Event], begin_s: int) -> None:
        begin, end = (Now(START + at_s * S, 0) for at_s in (begin_s, begin_s + EVERY_S))
        for one in [*self._attribute.on_batch(recorded(*events), begin), *self._attribute.on_time(end)]:
            if isinstance(one, Experience):
                number, wrong = self._wrong[one.proposal]
                told = replace(one, reward=-one.reward) if wrong.negated and one.reward is not None else one
                for _ in range(1 + wrong.twice):
                    self._hearer.hear(number, told)


def played(hearer: Hearer, trouble: Trouble, made: World, *, seed: int) -> Found:
    """Return what a player earned under a trouble, and what the best arms earn more on average."""
    player = Troubled(hearer, trouble, seed=seed)
    earned = play(lambda: player, made.game)
    best = made.means.max(axis=1)
    return Found(earned, float(np.mean(best - made.means[np.arange(len(best)), player.arms])))


def run_seed(seed: int, *, kind: str, changes: int, troubles: Sequence[str]) -> dict[str, Found]:
    """Return what the product came to under these troubles, and every system under the last of them."""
    made = world(kind, changes, seed)
    found = {"flyball/clean": played(Product(), CLEAN, made, seed=seed)}
    for name in troubles:
        found[f"flyball/{name}"] = played(Product(), TROUBLES[name], made, seed=seed)
    last = troubles[-1]
    found[f"no repair/{last}"] = played(NoRepair(), TROUBLES[last], made, seed=seed)
    found[f"thompson/{last}"] = played(Thompson(seed), TROUBLES[last], made, seed=seed)
    oracle = play(partial(Flyball, FEATURES, ARMS, settings=AS_POLICY), made.game, made.at)
    return found | {"oracle": Found(oracle, 0.0), "uniform": Found(float(made.game.rewards.mean()), 0.0)}


def rows_of(case: str, runs: Sequence[dict[str, Found]]) -> list[Row]:
    """Return the rows of one world over all seeds."""
    earned = {name: float(np.mean([run[name].earned for run in runs])) for name in runs[0]}
    regret = {name: float(np.mean([run[name].regret for run in runs])) for name in runs[0]}
    clean = earned["flyball/clean"] - earned["uniform"]
    oracle = earned["oracle"] - earned["uniform"]
    rows = [
        _row(case, "flyball", "share_of_oracle", clean / oracle, "share"),
        _row(case, "flyball", "regret_a_decision", regret["flyball/clean"], "reward"),
    ]
    for name, value in earned.items():
        system, _, trouble = name.partition("/")
        if trouble and trouble != "clean":
            share = (value - earned["uniform"]) / clean
            rows.append(_row(f"{case} {trouble}", system, "share_of_clean", share, "share"))
            rows.append(_row(f"{case} {trouble}", system, "regret", regret[name] / regret["flyball/clean"], "x clean"))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.gone_wrong", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--kind", choices=("linear", "plain"), action="append", help="default: both")
    parser.add_argument("--changes", type=int, action="append", help="default: 0, 1 and 4")
    parser.add_argument("--trouble", choices=TROUBLES, action="append", help="default: all of them")
    parser.add_argument("--workers", type=int, default=1, help="processes; the numbers do not depend on it")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    print(f"{arguments.seeds} seeds from {arguments.first}, {DECISIONS} decisions each")
    rows: list[Row] = []
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    with ProcessPoolExecutor(arguments.workers, mp_context=get_context("spawn")) as pool:
        for kind in arguments.kind or ("linear", "plain"):
            for changes in arguments.changes or CHANGES:
                one = partial(run_seed, kind=kind, changes=changes, troubles=arguments.trouble or list(TROUBLES))
                rows += rows_of(f"{kind} {changes}", list(pool.map(one, seeds)))
    print_table(rows)
    write_rows(arguments.json, rows)


def _row(case: str, system: str, metric: str, value: float, unit: str) -> Row:
    return Row(benchmark="gone_wrong", case=case, system=system, metric=metric, value=value, unit=unit)


if __name__ == "__main__":
    main()
