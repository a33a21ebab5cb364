"""Run seeds of the simulation: `python -m tests.simulation.run --seed 123`, or `--seeds 5000 --start 0`."""

import argparse
import multiprocessing
import sys
from collections.abc import Iterator, Sequence

from tests.promises.checker import report
from tests.simulation.judged import Judged, judge

PROCESSES = 2


def judge_all(seeds: Sequence[int], *, processes: int = PROCESSES) -> Iterator[Judged]:
    """Judge seeds in parallel, in any order."""
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield from pool.imap_unordered(judge, seeds, chunksize=4)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print every seed that breaks a promise, and a summary; return 1 when there is one."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.run", description=__doc__)
    parser.add_argument("--seed", type=int, help="this one seed, with everything that it breaks")
    parser.add_argument("--seeds", type=int, default=300)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--processes", type=int, default=PROCESSES)
    options = parser.parse_args(arguments)
    if options.seed is not None:
        return _one(options.seed)
    seeds = range(options.start, options.start + options.seeds)
    judged = []
    for result in judge_all(seeds, processes=options.processes):
        judged.append(result)
        if not result.ok:
            print(result, flush=True)
    broken = sum(not result.ok for result in judged)
    print(
        f"{len(judged)} seeds, {broken} broken; {sum(r.steps for r in judged)} steps, "
        f"{sum(r.crashes for r in judged)} crashes, {sum(r.fenced for r in judged)} fenced, "
        f"{sum(r.actions for r in judged)} allowed actions (fewest {min(r.actions for r in judged)}), "
        f"{sum(r.seconds for r in judged) / len(judged):.2f} s per seed"
    )
    return 1 if broken else 0


def _one(seed: int) -> int:
    result = judge(seed)
    print(
        f"seed {seed}: {result.steps} steps, {result.crashes} crashes, {result.fenced} fenced, "
        f"{result.duplicates} duplicates, {result.actions} allowed actions, {result.seconds:.2f} s"
    )
    print(report(list(result.violations)) or "every promise held")
    return 0 if result.ok else 1


if __name__ == "__main__":
    sys.exit(main())
