"""The proof of value of a run, for people."""

from collections.abc import Iterator, Sequence

import click

from streams.cli.options import print_table, utc
from streams.operate.proof_fields import Arm, Beside, Lift, PatternBenefit, Peek, Proof

FEW_PATTERNS = 8
LINES = 9
"""Of the picture."""
NOTHING_YET = "nothing can be said before the first episode has ended"
LIVES_ALONE = "the loop decided on whole lives alone so far, and what those decisions were worth is not looked at here"
NO_INSIGHTS = "what was measured in them is no longer kept: insights under [retention] says how long it is"
NO_HOLD_OUT = "no episode could be in both the loop's and another arm: `hold_out` under [policy] gives them shares"
COUNTED = (
    "whatever limits, people and executors made of a proposal, an episode counts in the arm that was drawn for it",
    "it counts from its first proposal on, by the same windows in every arm; what was not measured did not recover",
    "all arms begin with an alarm: what would have passed by itself passes in each of them, and is no lift",
)


def print_proof(proof: Proof) -> None:
    """Print what a hold-out says: lift, prices, minutes, when it had paid, and per pattern."""
    click.echo(f"\nwhat the loop was worth: {proof.episodes} episodes that have ended{_left_out(proof)}")
    print_table(
        f"arms of the hold-out (baseline: {proof.baseline})",
        [
            "arm",
            "episodes",
            "reward",
            "nothing done",
            "not measured",
            "cost of actions",
            "answers",
            "minutes of people",
        ],
        [_arm_row(arm) for arm in proof.arms],
    )
    if not proof.lifts:
        click.echo(_nothing(proof))
        return
    print_table(
        "the loop's arm earns more per episode, by the draw of the arms alone",
        ["over", "lift", "95 %, however often you look", "episodes", "surely above 0"],
        [_lift_row(lift) for lift in proof.lifts],
    )
    for line in (*_picture(proof.over, proof.course), *_prices(proof), *_neighbours(proof.over, proof.beside)):
        click.echo(line)
    if proof.patterns:
        print_table(
            f"by pattern{_of_all(proof.patterns)}: after how many decisions the lift was first surely above 0",
            [
                "pattern",
                "name",
                "decisions",
                f"lift over {proof.over}",
                "95 %, all together",
                "after",
                "over none after",
            ],
            [_pattern_row(line) for line in proof.patterns[:FEW_PATTERNS]],
        )
    click.echo("how it is counted:")
    for line in COUNTED:
        click.echo(f"  - {line}")


def _nothing(proof: Proof) -> str:
    if proof.episodes:
        return NO_HOLD_OUT
    if proof.unseen:
        return NO_INSIGHTS
    return LIVES_ALONE if proof.lives and not proof.open else NOTHING_YET


def _left_out(proof: Proof) -> str:
    counts = {
        "that may yet change, or after one": proof.open,
        "under another baseline or other shares, or before that": proof.before,
        "older than the measurements that are kept": proof.unseen,
        "older than what is looked at": proof.older,
        "decisions on lives": proof.lives,
    }
    left = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    dear = f"; in {proof.dear} more was spent than the dearest action costs, which is what counts" if proof.dear else ""
    return (f" (left out: {left})" if left else "") + dear


def _arm_row(arm: Arm) -> list[str]:
    reward = "-" if arm.reward is None else f"{arm.reward:.3f}"
    counts = [arm.episodes, reward, arm.left_alone, arm.unmeasured, f"{arm.cost:.2f}", arm.answers, f"{arm.minutes:g}"]
    return [arm.arm, *map(str, counts)]


def _lift_row(lift: Lift) -> list[str]:
    return [
        lift.over,
        f"{lift.lift:+.3f}",
        f"{lift.low:+.3f} to {lift.high:+.3f}",
        str(lift.episodes),
        _first(lift.proven_after, lift.proven_us, now=lift.low > 0.0),
    ]


def _since(after: int | None, time_us: int | None) -> str:
    return "not yet" if after is None else f"since episode {after}, {utc(time_us)}"


def _first(after: int | None, time_us: int | None, *, now: bool) -> str:
    """Return when a bound was first above 0, and whether it is now: it may fall again."""
    return "not yet" if after is None else f"first at episode {after}, {utc(time_us)}; {_now(now)}"


def _now(now: bool) -> str:  # it is said alone
    return "holds now" if now else "no longer"


def _picture(over: str, course: Sequence[Peek]) -> Iterator[str]:
    """Yield the lift as it went, a column per look; where the interval is not, 0 is `-`."""
    if not course or course[-1].high - course[-1].low >= course[0].high - course[0].low:
        return  # as wide as can be still: nothing to see
    late = course[len(course) // 4 :]  # the first intervals are as wide as the range, and would flatten the rest
    top, bottom = max(0.0, *(one.high for one in late)), min(0.0, *(one.low for one in late))
    step = (top - bottom) / (LINES - 1)
    first, last = course[0].episodes, course[-1].episodes
    yield f"lift over {over} as it went, after {first} to {last} episodes (o, and its interval |)"
    for line in range(LINES):
        level = top - line * step
        yield f"{level:+.2f} " + "".join(_mark(one, level, step) for one in course).rstrip()


def _mark(peek: Peek, level: float, step: float) -> str:
    if abs(peek.lift - level) <= step / 2.0:
        return "o"
    if peek.low - step / 2.0 <= level <= peek.high + step / 2.0:
        return "|"
    return "-" if abs(level) <= step / 2.0 else " "


def _prices(proof: Proof) -> Iterator[str]:
    if (exploring := proof.exploring) is not None:
        yield (
            f"price of exploring: {exploring.price:+.3f} per decision of the loop's arm "
            f"({exploring.low:+.3f} to {exploring.high:+.3f}), {exploring.total:+.1f} over its {exploring.decisions}"
        )
    if proof.hold_out_price is not None:
        yield f"price of the hold-out: {proof.hold_out_price:+.1f} more had all its episodes been the loop's"
    if (paid := proof.paid) is not None:
        alone = f" ({paid.people_alone:.1f} with the baseline alone)"
        people = f", and {paid.people:.1f} for the time of people{alone}" if paid.people else ""
        yield (
            f"earned above the baseline alone: {paid.value:+.1f} in all, with exploring, hold-out and actions "
            f"paid{people}"
        )
        yield f"the loop had paid for itself: {_since(paid.after, paid.time_us)}"
        yield f"  surely: {_first(paid.sure_after, paid.sure_us, now=paid.sure_now)}"


def _neighbours(over: str, beside: Beside) -> Iterator[str]:
    yield (
        f"arms side by side: within the horizon before {beside.crossed} episodes another arm had acted on the same "
        f"entity or group"
    )
    if not beside.grouped:
        yield "  entities have no groups, so what one arm did to another's entities cannot be told"
    if beside.apart is not None:
        lift = beside.apart
        yield (
            f"  over {over} without the {beside.exposed} that followed any action so soon: {lift.lift:+.3f} "
            f"({lift.low:+.3f} to {lift.high:+.3f}), {lift.episodes} episodes"
        )


def _of_all(patterns: Sequence[PatternBenefit]) -> str:
    return f" (the {FEW_PATTERNS} most frequent)" if len(patterns) > FEW_PATTERNS else ""


def _pattern_row(line: PatternBenefit) -> list[str]:
    return [
        line.pattern,
        line.name,
        str(line.episodes),
        f"{line.lift:+.3f}",
        f"{line.low:+.3f} to {line.high:+.3f}",
        _decisions(line.after, line.low),
        _decisions(line.none_after, line.none_low),
    ]


def _decisions(after: int | None, low: float | None) -> str:
    return "not yet" if after is None or low is None else f"{after}; {_now(low > 0.0)}"
