"""Vowpal Wabbit as a player, where its package is installed."""

import importlib
import importlib.util
from typing import Any

import numpy as np
import numpy.typing as npt

EXPLORATIONS = ("--squarecb", "--squarecb --gamma_scale 100", "--epsilon 0")
RATES = (0.05, 0.5, 2.0)
COSTS = {"-1/0": 0.0, "0/1": 1.0}
"""How a reward of 1 or 0 is told as a cost: the name of the way, and what to earn nothing costs by it."""
NO_VW = "vowpal wabbit is not installed, so its rows are left out: `make bench` installs it"
COMMON = "--cb_explore_adf -q sa --ignore_linear s --quiet"


def is_installed() -> bool:
    """Return whether the package is there."""
    return importlib.util.find_spec("vowpalwabbit") is not None


class VowpalWabbit:
    """Contextual bandit with action features; arms are drawn from its probabilities."""

    def __init__(self, arms: int, *, exploration: str, rate: float, costs: str) -> None:
        module: Any = importlib.import_module("vowpalwabbit")
        self.workspace = module.Workspace(f"{COMMON} {exploration} -l {rate}")
        self.arms = [f"|a arm{number}" for number in range(arms)]
        self.cost_of_nothing = COSTS[costs]
        self.shared = ""
        self.arm = 0
        self.probability = 1.0

    def choose(self, row: npt.NDArray[np.float64], draw: float) -> int:
        features = " ".join(f"x{number}:{value:.6g}" for number, value in enumerate(row.tolist()) if value)
        self.shared = f"shared |s {features}"
        probabilities = self.workspace.predict([self.shared, *self.arms])
        reached = np.cumsum(probabilities)
        self.arm = min(int(np.searchsorted(reached, draw * reached[-1], side="right")), len(self.arms) - 1)
        self.probability = float(probabilities[self.arm])
        return self.arm

    def learn(self, reward: float) -> None:
        lines = list(self.arms)
        lines[self.arm] = f"0:{self.cost_of_nothing - reward}:{self.probability} {lines[self.arm]}"
        self.workspace.learn([self.shared, *lines])
