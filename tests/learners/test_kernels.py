"""Machine code is there when its module is imported, wherever it can or cannot be kept."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import streams.learners.kernels as package
from streams.learners.kernels import gaps, mixes, offsets, ridges, scales
from streams.learners.ridge_bank import Ridge, RidgeBank

PROGRAM = (
    "import numpy as np; from streams.learners.kernels import gaps, compiled; out = np.zeros(2); "
    "gaps.explore(np.array([0.5, 0.3]), out.copy(), 0.0, 10.0, 0.0, out); print(compiled.__file__, out.tolist())"
)
ANSWER = "[0.75, 0.25]"
WARNING = re.compile(r"^machine code that was kept of (\w+) was broken and is made anew: \w+Error\(", re.MULTILINE)


def copy_to(place: Path) -> Path:
    """Copy what the smallest kernel needs, without its machine code; return where it lies."""
    kernels = place / "streams" / "learners" / "kernels"
    kernels.mkdir(parents=True)
    for folder in (kernels, kernels.parent, kernels.parent.parent):
        (folder / "__init__.py").touch()
    for name in ("compiled.py", "gaps.py"):
        shutil.copy(Path(package.__file__).parent / name, kernels / name)
    return kernels


def start(place: Path, home: Path) -> subprocess.Popen[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("NUMBA_", "XDG_", "PYTHONPATH"))}
    path = os.pathsep.join([str(place), *filter(None, sys.path)])
    environment = kept | {"HOME": str(home), "PYTHONPATH": path}
    return subprocess.Popen(
        [sys.executable, "-P", "-c", PROGRAM],
        cwd=place,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def answer(process: subprocess.Popen[str], kernels: Path, *, broken: list[str] | None = None) -> str:
    """Return what a process printed, which warned of just these functions."""
    said, warned = process.communicate(timeout=120)
    assert process.returncode == 0
    where, _, numbers = said.strip().partition(" ")
    assert Path(where).parent == kernels
    assert WARNING.findall(warned) == (broken or [])
    return numbers


def kept_in(kernels: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in (kernels / "__pycache__").glob("*.nb?")}


def test_processes_that_start_at_once_share_what_is_kept_beside_the_source(tmp_path: Path) -> None:
    kernels = copy_to(tmp_path)
    started = [start(tmp_path, Path("/dev/null")) for _ in range(3)]
    assert [answer(one, kernels) for one in started] == [ANSWER] * 3
    kept = kept_in(kernels)
    assert len(kept) == 2
    assert answer(start(tmp_path, Path("/dev/null")), kernels) == ANSWER
    assert kept_in(kernels) == kept


def test_where_the_source_cannot_be_written_it_is_kept_in_the_users_cache(tmp_path: Path) -> None:
    kernels, home = copy_to(tmp_path / "code"), tmp_path / "home"
    (kernels / "__pycache__").touch()  # no folder can be made of that name, whoever asks
    assert answer(start(tmp_path / "code", home), kernels) == ANSWER
    assert list(home.rglob("*.nbc"))


def test_where_nothing_can_be_written_every_process_compiles_for_itself(tmp_path: Path) -> None:
    kernels = copy_to(tmp_path)
    (kernels / "__pycache__").touch()
    assert answer(start(tmp_path, Path("/dev/null")), kernels) == ANSWER


@pytest.mark.parametrize("ending", ["*.nbi", "*.nbc", "*.nb?"], ids=["index", "code", "both"])
def test_half_of_what_was_kept_is_as_good_as_none_and_made_anew_once(tmp_path: Path, ending: str) -> None:
    kernels = copy_to(tmp_path)
    assert answer(start(tmp_path, Path("/dev/null")), kernels) == ANSWER
    for path in (kernels / "__pycache__").glob(ending):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert answer(start(tmp_path, Path("/dev/null")), kernels, broken=["explore"]) == ANSWER
    kept = kept_in(kernels)
    assert len(kept) == 2
    assert answer(start(tmp_path, Path("/dev/null")), kernels) == ANSWER
    assert kept_in(kernels) == kept


def test_a_row_of_another_width_is_refused_before_memory_is_read_that_is_not_its_own() -> None:
    bank = RidgeBank([Ridge(penalty=1.0)])
    bank.grow(actions=1, width=3)
    with pytest.raises(ValueError, match="a row of the bank's width"):
        bank.outlook(np.ones(2))
    with pytest.raises(ValueError, match="a row of the bank's width"):
        bank.learn(0, np.ones(4), 1.0, clock=0)


def some(*shape: int) -> np.ndarray:
    return np.ones(shape)


ROOM = np.ones(8)
"""Memory that a kernel which trusts lengths may write to without harm: too short ones are parts of it."""
SHORT, WHOLE = ROOM[:2], ROOM[:3]
WRONG: dict[str, Callable[[], object]] = {
    "squash: columns": lambda: scales.squash(WHOLE, SHORT, WHOLE, WHOLE),
    "squash: row": lambda: scales.squash(WHOLE, WHOLE, WHOLE, SHORT),
    "rescale: reach": lambda: scales.rescale(WHOLE, WHOLE, WHOLE, WHOLE, SHORT),
    "learn_row: columns": lambda: scales.learn_row(WHOLE, 1, *[SHORT] * 5, WHOLE),
    "learn_row: row": lambda: scales.learn_row(WHOLE, 1000, *[WHOLE] * 5, SHORT),
    "ridges outlook: row": lambda: ridges.outlook(some(2, 1, 4, 3), ROOM[:1], SHORT, *[some(2, 1)] * 3),
    "ridges outlook: penalties": lambda: ridges.outlook(some(2, 2, 4, 3), ROOM[:1], WHOLE, *[some(2, 2)] * 3),
    "ridges outlook: said": lambda: ridges.outlook(some(2, 1, 4, 3), ROOM[:1], WHOLE, *[some(2, 1)] * 2, some(1, 1)),
    "ridges learn: action": lambda: ridges.learn(some(2, 1, 4, 3), some(2, 1), 2, WHOLE, 1.0, ROOM[:1]),
    "ridges learn: action below 0": lambda: ridges.learn(some(2, 1, 4, 3), some(2, 1), -1, WHOLE, 1.0, ROOM[:1]),
    "ridges learn: weights": lambda: ridges.learn(some(2, 2, 4, 3), some(2, 2), 1, WHOLE, 1.0, ROOM[:1]),
    "ridges learn: counts": lambda: ridges.learn(some(2, 1, 4, 3), some(1, 1), 1, WHOLE, 1.0, ROOM[:1]),
    "ridges fade: model": lambda: ridges.fade(some(2, 1, 4, 3), 1, 1.0),
    "offsets fade: rates": lambda: offsets.fade(some(2, 2, 4), WHOLE),
    "offsets learn: action": lambda: offsets.learn(some(2, 1, 5), 2, WHOLE, 1.0, ROOM[:1], 0, 1.0),
    "offsets learn: row": lambda: offsets.learn(some(2, 1, 4), 1, WHOLE, 1.0, ROOM[:1], 0, 1.0),
    "offsets learn: rates": lambda: offsets.learn(some(2, 1, 5), 1, WHOLE, 1.0, SHORT, 0, 1.0),
    "offsets outlook: rate": lambda: outlook_of_offsets(rate_of=[0, 1]),
    "offsets outlook: models": lambda: outlook_of_offsets(rate_of=[0]),
    "offsets outlook: counts": lambda: outlook_of_offsets(rate_of=[0, 0], counted=1),
    "mixes outlook: place": lambda: outlook_of_mixes(places=[2]),
    "mixes outlook: place below 0": lambda: outlook_of_mixes(places=[-1]),
    "mixes outlook: room": lambda: outlook_of_mixes(places=[0, 1]),
    "mixes outlook: shares": lambda: outlook_of_mixes(places=[0], shares=3),
    "mixes outlook: counts": lambda: outlook_of_mixes(places=[1], counted=1),
    "mixes learn: expected": lambda: mixes.learn(WHOLE, WHOLE, 1.0, 0.9, 1, 1, 1.0, 4.0, WHOLE),
    "mixes weigh: shares": lambda: mixes.weigh(WHOLE, 4.0, WHOLE),
    "explore: spreads": lambda: gaps.explore(WHOLE, SHORT, 0.0, 1.0, 0.0, some(3)),
    "explore: means": lambda: gaps.explore(SHORT, WHOLE, 0.0, 1.0, 0.0, some(3)),
}


def outlook_of_offsets(*, rate_of: list[int], counted: int = 2) -> None:
    sums, weights = some(2, 1, 5), some(2, 2, 3)
    offsets.outlook(sums, np.array(rate_of), 1.0, weights, *(some(2, 2) for _ in range(3)), some(counted, 2))


def outlook_of_mixes(*, places: list[int], shares: int = 2, counted: int = 2) -> None:
    said, share = [some(2, 2) for _ in range(3)], some(shares)
    mixes.outlook(
        *said, some(counted, 2), np.array(places), some(1), share, 1.0, share, 1.0, 1.0, some(1), some(1)
    )  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_no_kernel_reaches_beyond_what_it_was_given(wrong: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="expected"):
        wrong()
