"""Estimates where denied proposals are made again, with the same arm: its propensity is not what is logged.

Events go the way of `flyball evaluate`. `repeats` are the same events, with an episode made up for every attempt.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from msgspec.structs import replace

from schemas.events import Event, Experience, Proposal, Verdict
from streams.learners.off_policy import estimate, judge
from streams.learners.reward_model import Outlook
from streams.loop.policy.choice import choose, hold_out_of, uniform
from streams.loop.policy.settings import PolicySettings
from streams.replay.ended_decisions import read_decisions
from streams.replay.logged_decisions import tabulate
from tests.bench.rows import Row

POLICY = PolicySettings(baseline="restart")
EPISODES, ENTITIES, ATTEMPTS = 700, 60, 2
DENIED, HORIZON_US, BETWEEN_US = 0.5, 15_000_000, 3_000_000
NAMES = ("none", "restart")
OUTLOOK = Outlook(np.array([0.5, 0.7]), np.array([0.05, 0.05]), 4.0)
EARNS = {("none", 1): 0.5, ("restart", 1): 0.7, ("none", 2): 0.1, ("restart", 2): 0.7}
"""Mean reward by action and attempt, from that attempt's clock on: an episode that goes on gets worse."""
WAITED = BETWEEN_US / HORIZON_US


def of_attempts(logs: int) -> Iterator[Row]:
    """Yield coverage and bias for doing nothing, and for restarting at first."""
    for (system, case), true in truths().items():
        held, errors = [], []
        for seed in range(logs):
            value, low, high = _estimated(events(seed, apart=system == "repeats"), case)
            held.append(low <= true <= high)
            errors.append(value - true)
        noise = float(np.std(errors) / np.sqrt(logs))
        found = {"coverage": float(np.mean(held)), "bias": float(np.mean(errors)), "bias_error": noise}
        for metric, value in found.items():
            unit = "share" if metric == "coverage" else "reward"
            yield Row(benchmark="ope", case=f"attempts {case}", system=system, metric=metric, value=value, unit=unit)


def truths() -> dict[tuple[str, str], float]:
    """Return what each earns: per episode, but for `repeats`, there per attempt. What was denied and not made up for
    earns what doing nothing at once does; nobody sees that. Restarting goes on as the log's arms do.
    """
    arms = POLICY.hold_out
    restarts = _loop_restarts()
    weight = {"loop": arms["loop"] * restarts, "baseline": arms["baseline"]}  # of a first proposal to restart
    again = (weight["loop"] * restarts + weight["baseline"]) / sum(weight.values())
    second = again * (1.0 - DENIED) * (EARNS["restart", 2] - WAITED)
    second += (1.0 - again + again * DENIED) * EARNS["none", 1]
    repeated = DENIED * sum(weight.values())
    return {
        ("flyball", "none"): EARNS["none", 1],
        ("repeats", "none"): (EARNS["none", 1] + repeated * EARNS["none", 2]) / (1.0 + repeated),
        ("flyball", "restart"): (1.0 - DENIED) * EARNS["restart", 1] + DENIED * second,
    }


def events(seed: int, *, apart: bool) -> list[Event]:
    """Return verdicts and experiences of one log; `apart`: with an episode made up for every attempt."""
    rng = np.random.default_rng(seed)
    found: list[Event] = []
    for number in range(EPISODES):
        episode, entity = f"{seed}-{number}", f"host-{rng.integers(ENTITIES)}"
        hold_out = hold_out_of(episode, seed=seed, shares=POLICY.hold_out)
        for attempt in range(1, ATTEMPTS + 1):
            draw = uniform("choice", seed, episode, attempt)
            choice = choose(NAMES, OUTLOOK, hold_out=hold_out, draw=draw, settings=POLICY)
            denied = choice.action != "none" and rng.random() < DENIED
            reward = float(np.clip(EARNS[choice.action, attempt] + 0.1 * rng.standard_normal(), 0.0, 1.0))
            proposal = Proposal(
                id=f"{episode}-{attempt}",
                time_us=attempt * BETWEEN_US,
                entity=entity,
                episode=f"{episode}-{attempt}" if apart else episode,
                pattern="p",
                action=choice.action,
                propensity=choice.propensity,
                probabilities=choice.probabilities,
                expires_us=attempt * BETWEEN_US,
                model="ridges/0",
                hold_out=choice.hold_out,
            )
            found += _answered(proposal, None if denied else reward)
            if not denied:
                break
    return found


def _loop_restarts() -> float:
    hold_out = replace(hold_out_of("", seed=0, shares=POLICY.hold_out), arm="loop")
    return choose(NAMES, OUTLOOK, hold_out=hold_out, draw=0.5, settings=POLICY).probabilities["restart"]


def _answered(proposal: Proposal, reward: float | None) -> list[Event]:
    """Return the verdict and the experience of a proposal; without a reward it was denied."""
    verdict = Verdict(
        id=f"verdict-{proposal.id}",
        time_us=proposal.time_us,
        proposal=proposal,
        verdict="deny" if reward is None else "allow",
        level="act",
        checks=(),
        settings_hash="",
    )
    end = Experience(
        id=f"experience-{proposal.id}",
        time_us=proposal.time_us,
        proposal=proposal.id,
        entity=proposal.entity,
        episode=proposal.episode,
        pattern=proposal.pattern,
        arm=proposal.hold_out.arm if proposal.hold_out else "loop",
        state="censored" if reward is None else "observed",
        proposed=proposal.action,
        effective="none" if reward is None else proposal.action,
        effective_probability=proposal.propensity,
        verdict=verdict.verdict,
        reward=reward,
        decided_us=proposal.time_us,
    )
    return [verdict, end]


def _estimated(log: Sequence[Event], policy: str) -> tuple[float, float, float]:
    record = read_decisions(log, horizon_us=HORIZON_US, wait_us=HORIZON_US)
    table = tabulate(record, baseline=POLICY.baseline, costs={"restart": 0.0})
    found = estimate(table.log, judge(table.log, table.targets({policy: 1.0} for _ in table.decided)))
    return found.doubly_robust, found.low, found.high
