"""What a person signs to answer an escalation, and whether an action has the answers that it must have.

Signed are purpose, audience (cluster id, loop, topic), type, and the canonical JSON of the answer without its
signature: escalation, hashes of the proposal and of the final action, decision, reason, not-after. The parts have their
lengths before them, and what is checked is written anew from what was read: no bytes can be read in two ways.
"""

import base64
import binascii
from typing import Final

import msgspec

from .errors import SignatureError
from .events import Action, Approval
from .keyring import Keyring
from .signing import Audience, pre_authentication_encoding
from .sshsig import SshSignature

PURPOSE: Final = "approvals"


def approval_bytes(approval: Approval, audience: Audience) -> bytes:
    """Return what the person's key signs."""
    unsigned = msgspec.structs.replace(approval, signature="")
    return pre_authentication_encoding(
        PURPOSE.encode(),
        audience.cluster.encode(),
        f"{audience.loop}.{Approval.TOPIC}".encode(),
        Approval.TYPE.encode(),
        msgspec.json.encode(unsigned, order="sorted"),
    )


def signing_key(approval: Approval) -> str:
    """Return the fingerprint of the key that an approval says signed it; raises `SignatureError`."""
    return SshSignature.decode(_signature(approval)).public.fingerprint()


def verify_approval(approval: Approval, *, keyring: Keyring, audience: Audience, now_us: int) -> None:
    """Raise `SignatureError` unless an approver of the keyring signed this, with a key of the person it names."""
    key = keyring.trusted(signing_key(approval), purpose=PURPOSE, now_us=now_us)
    key.verify(_signature(approval), approval_bytes(approval, audience), purpose=PURPOSE)
    if key.subject != approval.person:
        raise SignatureError(
            "wrong-person", f"expected an answer of {key.subject}, got one of {approval.person[:40]!r}"
        )


def verify_answers(action: Action, *, least: int, keyring: Keyring, audience: Audience, now_us: int) -> None:
    """Raise `SignatureError` unless every answer that an action rests on is an approval of this very action.

    And unless at least `least` different people gave them.
    """
    if tuple(answer.id for answer in action.answers) != action.approvals:
        raise SignatureError("approvals-differ", "expected the approvals that the action names, as people signed them")
    final = action.final().digest() if action.answers else ""
    for answer in action.answers:
        verify_approval(answer, keyring=keyring, audience=audience, now_us=now_us)
        if answer.decision != "approve" or answer.proposal != action.proposal or answer.action_hash != final:
            raise SignatureError("other-approval", f"{answer.person} approved another action than this one")
        if action.issued_us >= answer.not_after_us:
            raise SignatureError("stale-approval", f"the approval of {answer.person} had ended before it was used")
    people = {answer.person for answer in action.answers}
    if len(people) < least:
        raise SignatureError(
            "too-few-approvals", f"expected {least} people to approve {action.action}, got {len(people)}"
        )


def why_withdrawn(action: Action, key_id: str, *, keyring: Keyring, now_us: int) -> str | None:
    """Return which key behind an action no longer counts, of the gate or of who approved it, or None."""
    try:
        keyring.trusted(key_id, purpose=Action.TOPIC, now_us=now_us)
        for answer in action.answers:
            keyring.trusted(signing_key(answer), purpose=PURPOSE, now_us=now_us)
    except SignatureError as error:
        return error.detail
    return None


def _signature(approval: Approval) -> bytes:
    if not approval.signature:
        raise SignatureError("unsigned", "expected an answer signed with a person's SSH key, got none")
    try:
        return base64.b64decode(approval.signature, validate=True)
    except (ValueError, binascii.Error) as error:
        raise SignatureError("bad-signature", "expected base64 as the signature of an answer") from error
