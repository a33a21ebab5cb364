"""What is known of one proposal while its outcome window is open: plain structs, written to the snapshot."""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec.structs import replace

from schemas.events import NONE, Measurement, Outcome, Proposal, Verdict
from schemas.keyring import LOOP
from streams.loop.attribute.settings import AttributeSettings
from streams.loop.groups import GROUPS_MAX, end_rank


class Window(msgspec.Struct, frozen=True, array_like=True):
    """One measured window of the entity, or several that say the same; `availability` is its mean over `known` of them,
    None where the metric was absent, `tells` is whether it holds enough of what made the episode to say whether that is
    over. It can be taken apart again where it is `count` of the same length without a gap.
    """

    start_us: int
    end_us: int
    abnormal: bool
    availability: float | None
    tells: bool
    known: int = 1
    count: int = 1


class Said(msgspec.Struct, frozen=True, array_like=True):
    """What was heard of an action, and the cause that it came by."""

    outcome: Outcome
    at: str


class Join(msgspec.Struct, kw_only=True):
    """One proposal and what has been heard of it. `due_us` is when its timer fires, `early_us` when its early signal is
    read, None where that was done or none is.

    Each group of executors may do its action: `claims` are the first one of each, in order, and `ends` what ended it
    there. `end` is the end of all (`end_of_all`), None while a group that claimed it has not ended it.
    """

    verdict: Verdict
    verdict_at: str
    due_us: int
    early_us: int | None = None
    claims: dict[str, Outcome] = {}
    ends: dict[str, Said] = {}
    end: Outcome | None = None
    end_at: str | None = None
    refusal: Outcome | None = None
    """The first refusal by a group that had not claimed it: another may, until the horizon ends."""
    refusal_at: str | None = None
    shares: dict[str, float] | None = msgspec.field(default_factory=dict)
    """Of the metrics that made the episode; empty where nobody told, None where that was forgotten."""
    closed_us: int | None = None
    """When the episode was over, if that was heard before the window was judged."""
    windows: list[Window] = []
    packed: bytes = b""
    """The windows, while only a late end is waited for."""
    others: dict[str, int] = {}
    """Other actions on the entity by when in its horizon they were let through: what came after is not its work."""
    is_cut: bool = False
    """Whether there was no room for a window: what those left out tell, nobody knows."""
    signal: float | None = None
    foretold: float | None = None
    """The reward that was handed out for an early signal, until something takes its place."""
    waits_for_late: bool = False
    """Whether a default was handed out for want of an outcome, and only a late end is still waited for."""
    defaulted: float | None = None
    """The reward that the default was; None where nothing was measured."""
    asked_us: int | None = None
    """When a person was asked because the loop chose that; None where it did not, or nobody was."""
    looked: bool = False
    """Whether a person answered."""

    @property
    def claim(self) -> Outcome | None:
        """Return the first claim of all groups."""
        return next(iter(self.claims.values()), None)

    @property
    def proposal(self) -> Proposal:
        """Return the proposal that the verdict embeds."""
        return self.verdict.proposal

    @property
    def began_us(self) -> int:
        """Return when what it came to begins to count: with the question where the loop chose to ask, else with the
        verdict.
        """
        return self.verdict.time_us if self.asked_us is None else self.asked_us

    @property
    def retracted(self) -> float | None:
        """Return the reward, handed out before, whose place the next one takes."""
        return self.defaulted if self.waits_for_late else self.foretold


def window_of(measurement: Measurement, settings: AttributeSettings, shares: Mapping[str, float] | None) -> Window:
    """Return what outcomes need of a measurement; `shares` are those of the metrics that made the episode, None where
    they were forgotten: then it does not tell.
    """
    return Window(
        start_us=measurement.start_us,
        end_us=measurement.end_us,
        abnormal=measurement.abnormal,
        availability=measurement.values.get(settings.availability),
        tells=shares is not None and _heard(measurement, shares) >= settings.coverage * sum(shares.values()),
    )


def _heard(measurement: Measurement, shares: Mapping[str, float]) -> float:
    return sum(share for name, share in shares.items() if name in measurement.values)


def keep(join: Join, window: Window, settings: AttributeSettings) -> bool:
    """Keep a window of a horizon, which there are two of where the loop chose to ask: since the question, and since the
    answer. They come in order of time. Return whether there is no room for one.
    """
    begins_us = {join.began_us, join.verdict.time_us}
    if not any(window.end_us > us and window.start_us < us + settings.horizon_us for us in begins_us):
        return False
    limit, alone = settings.windows_limit * len(begins_us), len(begins_us) > 1
    windows, join.is_cut = with_another(windows_of(join), window, limit, is_cut=join.is_cut, alone=alone)
    if join.waits_for_late:
        pack(join, windows)
    else:
        join.windows = windows
    return join.is_cut


def with_another(
    windows: list[Window], window: Window, limit: int, *, is_cut: bool, alone: bool = False
) -> tuple[list[Window], bool]:
    """Return windows, which are changed, with a window, and whether there was no room for one (`is_cut`): of those
    after that none is kept. One that is not after the last one is left out. One that goes on like the last one is put
    together with it, but where it is to be kept `alone`, if there is room.
    """
    if is_cut or (windows and not _is_newer(window, windows[-1])):
        return windows, is_cut
    if windows and not alone and _goes_on(windows[-1], window):
        windows[-1] = _together(windows[-1], window, count=windows[-1].count + 1)
        return windows, False
    windows.append(window)
    if len(windows) <= limit:
        return windows, False
    shortened = _shortened(windows)
    return shortened[:limit], len(shortened) > limit


def parts_of(window: Window) -> list[Window]:
    """Return the windows that were put together, where that can be taken apart; all have its availability."""
    if window.count == 1:
        return [window]
    length_us = (window.end_us - window.start_us) // window.count
    starts_us = range(window.start_us, window.end_us, length_us)
    return [Window(us, us + length_us, window.abnormal, window.availability, window.tells) for us in starts_us]


def _goes_on(last: Window, window: Window) -> bool:
    """Return whether a window follows without a gap, is of the same length, and says the same."""
    length_us = window.end_us - window.start_us
    is_next = length_us > 0 and window.start_us == last.end_us
    is_alike = (last.abnormal, last.tells) == (window.abnormal, window.tells)
    return is_next and is_alike and last.end_us - last.start_us == last.count * length_us


def _is_newer(window: Window, last: Window) -> bool:
    """Return whether a window comes after the last one; where every sample is a window, they have no length."""
    return window.start_us > last.start_us and window.start_us >= last.end_us and window.end_us > last.end_us


def _shortened(windows: Sequence[Window]) -> list[Window]:
    """Return windows with those put together that are abnormal and follow one another, as are those that do not tell:
    where a run of normal ones begins is as it was.
    """
    left: list[Window] = []
    for window in windows:
        if left and _say_the_same(left[-1], window):
            left[-1] = _together(left[-1], window)
        else:
            left.append(window)
    return left


def _say_the_same(one: Window, other: Window) -> bool:
    return one.abnormal == other.abnormal and (one.abnormal or not (one.tells or other.tells))


def _together(one: Window, other: Window, count: int = 1) -> Window:
    parts = [(part.availability, part.known) for part in (one, other) if part.availability is not None]
    known = sum(number for _, number in parts)
    return Window(
        start_us=one.start_us,
        end_us=other.end_us,
        abnormal=one.abnormal,
        availability=sum(mean * number for mean, number in parts) / known if known else None,
        tells=one.tells,
        known=known,
        count=count,
    )


def windows_of(join: Join) -> list[Window]:
    """Return the windows of its horizons that were heard."""
    return msgspec.msgpack.decode(join.packed, type=list[Window]) if join.packed else join.windows


def pack(join: Join, windows: list[Window]) -> None:
    """Keep windows as bytes, which take a seventh of the room."""
    join.packed, join.windows = msgspec.msgpack.encode(windows), []


def note_claim(join: Join, claim: Outcome) -> None:
    """Note the first claim of a group: where it comes after others ended the action, that is under way again."""
    if claim.group in join.claims or len(join.claims) >= GROUPS_MAX:
        return
    join.claims[claim.group] = claim
    if claim.group not in join.ends:
        join.end = join.end_at = None


def note_end(join: Join, outcome: Outcome, at: str) -> bool:
    """Note how an action ended in a group, and return whether that counts: only the first end does, and in a group that
    claimed it the claimer's alone.
    """
    claim = join.claims.get(outcome.group)
    is_another_s = claim is not None and claim.executor != outcome.executor
    if is_another_s or outcome.group in join.ends or len(join.ends) >= GROUPS_MAX:
        return False
    join.ends[outcome.group] = Said(outcome, at)
    return True


def end_of_all(join: Join) -> Said | None:
    """Return the worst end of all groups, or None until each that claimed the action has ended it."""
    if not join.ends or any(group not in join.ends for group in join.claims):
        return None
    return min(join.ends.values(), key=lambda said: end_rank(said.outcome.state))


def is_judged(proposal: Proposal) -> bool:
    """Return whether what came of it is measured: of an episode, or of what the loop does without one."""
    return bool(proposal.episode) or proposal.by == LOOP


def is_refused(join: Join) -> bool:
    """Return whether all that was heard of it is that groups refused it, after they had claimed it or before."""
    if join.end is not None:
        return join.end.state == "refused"
    return join.refusal is not None and join.claim is None


def is_unheard_of(join: Join) -> bool:
    """Return whether nobody told of having begun it, or refused it."""
    return join.claim is None and join.end is None and join.refusal is None


def effective_of(join: Join) -> str:
    """Return the action that is judged when the horizon ends: `none` where the answer to a question was no, or has not
    come, and of a dry run.
    """
    return NONE if join.verdict.verdict in ("deny", "shadow", "escalate") else run_of(join)


def run_of(join: Join) -> str:
    """Return the action that runs where it was let through and begins: `none` of a dry run."""
    return NONE if join.verdict.dry_run else join.proposal.action


def settles(known: Verdict, verdict: Verdict) -> bool:
    """Return whether a verdict ends an escalation; any other second verdict repeats the first."""
    return known.verdict == "escalate" and verdict.verdict != "escalate"


def ended_us_of(join: Join) -> int:
    """Return when the action ended, in the last group that did it; a claim without an end counts from its start."""
    if join.end is not None:
        ends = [said.outcome for said in join.ends.values() if said.outcome.state != "refused"]
        return max(end.ended_us or end.time_us for end in ends or [join.end])
    if join.claim is not None:
        return join.claim.started_us or join.claim.time_us
    return join.verdict.time_us


def as_heard(outcome: Outcome, now_us: int) -> Outcome:
    """Return an outcome of which nothing is later than when it was heard: an executor's clock may be ahead."""
    started_us, ended_us = (None if us is None else min(us, now_us) for us in (outcome.started_us, outcome.ended_us))
    return replace(outcome, time_us=min(outcome.time_us, now_us), started_us=started_us, ended_us=ended_us)


def begun(join: Join) -> str | None:
    """Return the action that is known to have begun, `none` where nothing was to be done; None while nobody says."""
    if not join.verdict.acts:
        return NONE
    is_unknown = is_refused(join) or (join.claim is None and join.end is None)
    return None if is_unknown else join.proposal.action
