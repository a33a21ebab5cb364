"""The one checker of the promises (DESIGN section 5): evidence of a run in, violations out.

Simulation and tests on real Kafka use the same one: `report(check_promises(evidence))` is empty when all hold.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from schemas.events import Action, DeadLetter, Experience, JournalEntry, Outcome, Verdict
from schemas.raw import Message
from schemas.topics import TOPICS
from streams.loop.limits import parse_limits
from streams.loop.role import Role
from streams.loop.step import mismatch_of, take_recorded
from tests.promises.evidence import Evidence, LogRecord

SHOWN = 20
"""Violations that a report spells out."""
ENDS = ("succeeded", "failed", "refused", "unknown")


@dataclass(frozen=True, slots=True)
class Violation:
    """One promise, broken once."""

    promise: str
    detail: str

    def __str__(self) -> str:
        return f"{self.promise}: {self.detail}"


def check_promises(evidence: Evidence) -> list[Violation]:
    """Return every violation of P1 to P6 and P8, the fence included, that the evidence shows."""
    checks: tuple[Callable[[Evidence], Iterator[Violation]], ...] = (
        inputs_are_covered_once,
        outputs_are_those_of_the_journal,
        one_start_and_one_end_per_action,
        limits_hold_in_every_interval,
        nothing_runs_without_authority,
        each_outcome_is_learned_once,
        zombies_are_fenced,
    )
    return [violation for check in checks for violation in check(evidence)]


def report(violations: list[Violation]) -> str:
    """Return the violations as text, one a line; empty when there are none."""
    lines = [str(violation) for violation in violations[:SHOWN]]
    if len(violations) > SHOWN:
        lines.append(f"... and {len(violations) - SHOWN} more")
    return "\n".join(lines)


def inputs_are_covered_once(evidence: Evidence) -> Iterator[Violation]:
    """P1, P8: steps are consecutive, time never runs backwards, ranges follow on one another up to the end."""
    for (role, partition), entries in evidence.journals().items():
        place = f"{role}/{partition}"
        covered: dict[tuple[str, int], int] = {}
        last_us = 0
        for number, entry in enumerate(entries):
            if entry.step != number:
                yield Violation("P1", f"{place}: entry {number} of the journal is step {entry.step}")
            if entry.time_us < last_us:
                yield Violation("P3", f"{place}: step {entry.step} is {last_us - entry.time_us} us before its former")
            last_us = entry.time_us
            for source in (*entry.inputs, *entry.lost):
                expected = covered.get((source.topic, source.partition), 0)
                if source.start != expected:
                    kind = "folds again" if source.start < expected else "leaves out"
                    where = f"{source.topic}/{source.partition}"
                    yield Violation("P1", f"{place} step {entry.step} {kind} {where} {source.start}..{expected}")
                covered[source.topic, source.partition] = source.stop
        if evidence.settled:
            yield from _left_over(evidence, role, partition, covered)


def _left_over(
    evidence: Evidence, role: str, partition: int, covered: dict[tuple[str, int], int]
) -> Iterator[Violation]:
    for topic, number in evidence.sources(role, partition):
        records = evidence.records(topic).get(number, [])
        left = [record.offset for record in records if record.offset >= covered.get((topic, number), 0)]
        if left:
            yield Violation("P1", f"{role}/{partition} never folded {len(left)} records of {topic}/{number}")


def outputs_are_those_of_the_journal(evidence: Evidence) -> Iterator[Violation]:
    """P1, P6, P8: the journal, folded again, gives the digests, the outputs on the topics, and the living state."""
    made: list[Message] = []
    for (role_name, partition), entries in evidence.journals().items():
        place = f"{role_name}/{partition}"
        role = evidence.make_role(role_name, partition)
        try:
            for entry in entries:
                yield from _taken_again(evidence, role, entry, made)
        except ValueError as error:
            yield Violation("P6", f"{place}: the journal cannot be folded: {error}")
            continue
        state = evidence.states.get((role_name, partition))
        if state is not None and state != role.snapshot():
            yield Violation("P6", f"{place}: the living state differs from the folded journal")
    yield from _compare_outputs(evidence, made)


def _taken_again(evidence: Evidence, role: Role, entry: JournalEntry, made: list[Message]) -> Iterator[Violation]:
    batches = [evidence.read_range(i.topic, i.partition, i.start, i.stop) for i in entry.inputs]
    output = take_recorded(role, entry, [batch for batch in batches if batch is not None], loop=evidence.loop)
    made += output.messages
    mismatch = mismatch_of(entry, output)
    if mismatch is not None:
        yield Violation("P6", f"{entry.role}/{entry.partition} step {entry.step}: {mismatch.detail}")


def _compare_outputs(evidence: Evidence, made: list[Message]) -> Iterator[Violation]:
    """Compare what the journals say was written with what lies on the topics: the same ids, once, in order per key."""
    named = [(message, _id(message)) for message in made]
    yield from _ids_tell_apart(named)
    expected: defaultdict[str, list[tuple[bytes | None, str]]] = defaultdict(list)
    for message, name in named:
        expected[message.topic].append((message.key, name))
    for topic in _written_by(evidence):
        found = [
            (record.key, _id(record)) for _, records in sorted(evidence.records(topic).items()) for record in records
        ]
        wanted, got = Counter(name for _, name in expected[topic]), Counter(name for _, name in found)
        if lost := wanted - got:
            yield Violation("P1", f"{topic}: {lost.total()} outputs of the journal are missing")
        if topic in evidence.foreign:
            continue
        if surplus := got - wanted:
            again = sum(name in wanted for name in surplus)
            yield Violation("P1", f"{topic}: {again} outputs are there twice, {len(surplus) - again} are unexplained")
        elif not lost and topic != DeadLetter.TOPIC and _by_key(found) != _by_key(expected[topic]):
            yield Violation("P8", f"{topic}: the outputs of a key are not in the order in which they were made")


def _ids_tell_apart(named: list[tuple[Message, str]]) -> Iterator[Violation]:
    """Two different outputs with one id: readers would take the second for a repetition and drop it."""
    known: dict[tuple[str, str], bytes | None] = {}
    for message, name in named:
        if known.setdefault((message.topic, name), message.value) != message.value:
            yield Violation("P1", f"{message.topic}: two different outputs have the id {name}")


def _written_by(evidence: Evidence) -> list[str]:
    """Return the topics of the roles' outputs; presence, journals and state are not outputs of steps."""
    return [
        topic.name
        for topic in TOPICS.values()
        if set(evidence.roles).intersection(topic.written_by)
        and topic.name != "presence"
        and not topic.name.startswith(("journal-", "state-"))
    ]


def _by_key(records: list[tuple[bytes | None, str]]) -> dict[bytes | None, list[str]]:
    found: defaultdict[bytes | None, list[str]] = defaultdict(list)
    for key, name in records:
        found[key].append(name)
    return dict(found)


def _id(record: Message | LogRecord) -> str:
    """Return the id of an event; telemetry, which has none, is known by its bytes."""
    for name, value in record.headers:
        if name == "ce_id" and value:
            return value.decode()
    return repr(record.value)


def one_start_and_one_end_per_action(evidence: Evidence) -> Iterator[Violation]:
    """P2: at most one attempt starts per action and group, and every action has exactly one end state."""
    started = Counter((start.action.id, start.group) for start in evidence.starts or ())
    for (action, group), count in started.items():
        if count > 1:
            yield Violation("P2", f"{group} started the action {action} {count} times")
    ends: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for outcome in evidence.events(Outcome):
        if outcome.state in ENDS:
            ends[outcome.action, outcome.group].add(outcome.state)
    for (action, group), states in ends.items():
        if len(states) > 1:
            yield Violation("P2", f"{group} told two ends of the action {action}: {', '.join(sorted(states))}")
    ended = {action for action, _ in ends}
    if evidence.settled:
        for known in evidence.events(Action):
            if known.id not in ended:
                yield Violation("P2", f"the action {known.id} ({known.action} on {known.entity}) has no end state")


def limits_hold_in_every_interval(evidence: Evidence) -> Iterator[Violation]:
    """P3: in every interval of length T there are at most N allowed actions, for every limit and scope."""
    allowed = [verdict for verdict in evidence.events(Verdict) if verdict.action is not None]
    for rule in evidence.limits:
        times: defaultdict[str, list[int]] = defaultdict(list)
        for verdict in allowed:
            times[rule.scope(verdict)].append(verdict.time_us)
        for scope, spent in times.items():
            spent.sort()
            for limit in parse_limits(rule.limits):
                if _exceeds(spent, limit.count, limit.interval_us):
                    yield Violation("P3", f"{rule.name} {scope}: more than {limit} were allowed")


def _exceeds(times: list[int], count: int, interval_us: int) -> bool:
    return any(times[at + count] - times[at] < interval_us for at in range(len(times) - count))


def nothing_runs_without_authority(evidence: Evidence) -> Iterator[Violation]:
    """P4: every action follows from one allowing verdict and is signed; every start was in time, of such an action."""
    verdicts: defaultdict[str, list[Verdict]] = defaultdict(list)
    for verdict in evidence.events(Verdict):
        if verdict.action is not None:
            verdicts[verdict.action].append(verdict)
    actions = {action.id: action for action in evidence.events(Action)}
    for action in actions.values():
        allowing = [v for v in verdicts[action.id] if v.verdict == "allow" and v.proposal.id == action.proposal]
        if len(allowing) != 1:
            yield Violation("P4", f"the action {action.id} has {len(allowing)} allowing verdicts")
    for start in evidence.starts or ():
        if actions.get(start.action.id) != start.action:
            yield Violation("P4", f"{start.group} started {start.action.id}, which the gate did not write")
        if start.time_us > start.action.expires_us:
            late_us = start.time_us - start.action.expires_us
            yield Violation("P4", f"{start.group} started {start.action.id} {late_us} us after it expired")
    if evidence.verify is not None:
        yield from _signatures(evidence, evidence.verify)


def _signatures(evidence: Evidence, verify: Callable[[LogRecord], None]) -> Iterator[Violation]:
    for topic in ("actions", "outcomes", "control"):
        for records in evidence.records(topic).values():
            for record in records:
                try:
                    verify(record)
                except Exception as error:  # whatever it is, the record has no authority
                    yield Violation(
                        "P4", f"{topic}/{record.partition}/{record.offset} is not signed as it must be: {error}"
                    )


def each_outcome_is_learned_once(evidence: Evidence) -> Iterator[Violation]:
    """P5: one experience per proposal; only a default may be corrected, once, and what it retracts is what it said.
    What is foretold comes before it, once, and is retracted by it.
    """
    told: defaultdict[str, list[Experience]] = defaultdict(list)
    foretold: dict[str, Experience] = {}
    for experience in evidence.events(Experience):
        proposal = experience.proposal
        if experience.is_outcome:
            told[proposal].append(experience)
        elif proposal in told or proposal in foretold:
            yield Violation("P5", f"the proposal {proposal} was foretold twice, or after it was learned")
        else:
            foretold[proposal] = experience
    for proposal, experiences in told.items():
        states = [experience.state for experience in experiences]
        if proposal in foretold and experiences[0].retracted_reward != foretold[proposal].reward:
            yield Violation("P5", f"the proposal {proposal} does not retract the reward that was foretold")
        if proposal not in foretold and experiences[0].retracted_reward is not None:
            yield Violation("P5", f"the proposal {proposal} retracts a reward that was never foretold")
        if states not in (["observed"], ["defaulted"], ["censored"], ["unobservable"], ["defaulted", "late"]):
            yield Violation("P5", f"the proposal {proposal} was learned as {', '.join(states)}")
        elif states[-1] == "late" and experiences[1].retracted_reward != experiences[0].reward:
            yield Violation("P5", f"the proposal {proposal} retracts a reward that it never told")
    if evidence.settled:
        final = {verdict.proposal.id for verdict in evidence.events(Verdict) if verdict.verdict != "escalate"}
        for proposal in sorted(final - set(told)):
            yield Violation("P5", f"nothing was learned from the proposal {proposal}")
        for proposal in sorted(set(told) - {verdict.proposal.id for verdict in evidence.events(Verdict)}):
            yield Violation("P5", f"the proposal {proposal} was learned without a verdict")


def zombies_are_fenced(evidence: Evidence) -> Iterator[Violation]:
    """Once an instance has written to a journal, none before it writes there again."""
    for (role, partition), entries in evidence.journals().items():
        former: set[str] = set()
        current = ""
        for entry in entries:
            if entry.instance in former:
                yield Violation("fence", f"{entry.instance} wrote step {entry.step} of {role}/{partition} as a zombie")
            if entry.instance != current:
                former.add(current)
                current = entry.instance
