"""Occurrences of two patterns of the same two metrics, of which whole shapes are known."""

import numpy as np

from streams.learners.cluster import Member
from streams.learners.whole_shape import in_parts

FIRST = {"cpu": (6.0,) * 16, "memory": (0.0,) * 8 + (6.0,) * 8}
SECOND = {"cpu": (0.0,) * 8 + (6.0,) * 8, "memory": (6.0,) * 16}
"""The same two metrics, in the other order."""


def occurrences(kind: dict[str, tuple[float, ...]], count: int, *, seed: int, begin: int = 0) -> list[Member]:
    """Return occurrences of a kind with noise and heights of their own, noticed from window `begin` on."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(count):
        height = rng.lognormal(0, 0.2)
        windows = {name: height * np.array(values) + rng.normal(size=16) for name, values in kind.items()}
        quiet = {name: rng.normal(size=16) for name in ("disk", "files")}
        seen = {name: values[begin:].tolist() for name, values in (windows | quiet).items()}
        made.append(Member(f"{seed}-{number}", number, 3, {}, 2, in_parts(seen)))
    return made
