"""Whose approval counts, and when there are enough: different people over the same bytes, none alone on his own."""

from schemas.approvals import signing_key
from schemas.errors import ContractError
from schemas.events import Approval, Check, FinalAction, Proposal
from schemas.keyring import Keyring
from schemas.orders import in_person
from streams.loop.actions import ActionSettings
from streams.loop.gate.state import Escalation, Question

_UNKNOWN = (
    "a machine's key signed that. Another person must approve too, or one who does not approve runs flyball activate "
    "--key FILE; gate.own_approval = true is for a loop that one person runs alone"
)


def final_action(proposal: Proposal, declared: ActionSettings, settings_hash: str) -> FinalAction:
    """Return what a proposal would become: what people approve, and what an executor holds against it."""
    return FinalAction(
        proposal=proposal.id,
        entity=proposal.entity,
        action=proposal.action,
        episode=proposal.episode,
        pattern=proposal.pattern,
        settings_hash=settings_hash,
        parameters=parameters_of(proposal, declared),
        dry_run=declared.dry_run,
    )


def parameters_of(proposal: Proposal, declared: ActionSettings) -> dict[str, str]:
    """Return the parameters of what a proposal would become."""
    return declared.parameters | proposal.parameters


def fits(approval: Approval, escalation: Escalation, final: FinalAction, now_us: int) -> bool:
    """Return whether an answer is to this escalation, over the very bytes that it is about, and still holds."""
    same = approval.proposal_hash == escalation.proposal.digest() and approval.action_hash == final.digest()
    return same and now_us < approval.not_after_us


def with_approval(escalation: Escalation, approval: Approval, final: FinalAction, now_us: int) -> Escalation:
    """Return the escalation with one approval more: the latest of each person, and none that no longer fits."""
    kept = {one.person: one for one in escalation.approvals if fits(one, escalation, final, now_us)}
    approvals = tuple((kept | {approval.person: approval}).values())
    return Escalation(escalation.proposal, escalation.until_us, approvals)


def approval_check(question: Question, *, needed: int, activated_by: str, own: bool) -> Check:
    """Return whether enough people approved: `needed` of them, and not only who chose the action or the settings."""
    people = tuple(approval.person for approval in question.approvals)
    if len(people) < needed:
        return Check(name="approval", passed=False, detail=_so_far(people, needed, question))
    if not own and len(people) == 1 and not in_person(activated_by):
        detail = f"{_names(people)} approved, and who activated these settings is not known: {_UNKNOWN}"
        return Check(name="approval", passed=False, detail=detail)
    if not own and len(people) == 1 and people[0] in (activated_by, question.proposal.by):
        detail = f"{_names(people)} chose the action or these settings: another person must approve too"
        return Check(name="approval", passed=False, detail=detail)
    return Check(name="approval", passed=True, detail=f"approved by {_names(people)}")


def without_withdrawn(escalation: Escalation, keyring_text: str, now_us: int) -> Escalation:
    """Return the escalation without approvals by keys that no longer count, as a keyring says that was checked before.

    An older keyring that comes again can but take approvals away.
    """
    try:
        keyring = Keyring.read(keyring_text)
    except ContractError:
        return escalation
    kept = tuple(one for one in escalation.approvals if _counts(one, keyring, now_us))
    return escalation if kept == escalation.approvals else Escalation(escalation.proposal, escalation.until_us, kept)


def _counts(approval: Approval, keyring: Keyring, now_us: int) -> bool:
    try:
        keyring.trusted(signing_key(approval), purpose=Approval.TOPIC, now_us=now_us)
    except ContractError:
        return False
    return True


def _so_far(people: tuple[str, ...], needed: int, question: Question) -> str:
    if needed == 1:
        return f"{question.level}: the loop chose to ask" if question.proposal.asked else question.level
    return f"{len(people)} of {needed} people approved" + (f": {_names(people)}" if people else "")


def _names(people: tuple[str, ...]) -> str:
    return ", ".join(people)
