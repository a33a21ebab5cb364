"""Bring a cluster's access control in line with the table of a loop."""

from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from connectors.kafka.access import ADMIN, PRINCIPALS, RECOVERY, Rule, access_rules, user
from schemas.connection import KafkaConnection
from schemas.errors import BrokerError
from schemas.kafka import make_admin

TIMEOUT_S = 30.0
_KINDS = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactional-id": ResourceType.TRANSACTIONAL_ID,
}
_PATTERNS = {"literal": ResourcePatternType.LITERAL, "prefixed": ResourcePatternType.PREFIXED}


def apply_acls(connection: KafkaConnection, loop: str) -> tuple[Rule, ...]:
    """Allow what the table says and withdraw what it does not (any more), for the principals of this loop only.

    Returns the table. Raises `BrokerError` when Kafka does not answer, has no authorizer or refuses.
    """
    rules = access_rules(loop)
    wanted = {binding for rule in rules for binding in _bindings(rule)}
    try:
        admin = make_admin(connection)
        found = _found(admin, [f"User:{user(loop, role)}" for role in (*PRINCIPALS, ADMIN, RECOVERY)])
        missing = sorted(wanted - found, key=str)
        if missing:
            for answer in admin.create_acls(missing, request_timeout=TIMEOUT_S).values():
                answer.result()
        stale = [_exactly(binding) for binding in found - wanted]
        if stale:
            for removed in admin.delete_acls(stale, request_timeout=TIMEOUT_S).values():
                removed.result()
    except KafkaException as error:
        raise BrokerError(f"Kafka at {connection.bootstrap} refused access rules: {error.args[0].str()}") from error
    return rules


def _bindings(rule: Rule) -> list[AclBinding]:
    return [
        AclBinding(
            _KINDS[rule.kind],
            rule.name,
            _PATTERNS[rule.pattern],
            rule.principal,
            "*",
            AclOperation[operation.replace("-", "_").upper()],
            AclPermissionType.ALLOW,
        )
        for operation in rule.operations
    ]


def _found(admin: AdminClient, principals: list[str]) -> set[AclBinding]:
    bindings: set[AclBinding] = set()
    for principal in principals:
        everything = AclBindingFilter(
            ResourceType.ANY,
            None,
            ResourcePatternType.ANY,
            principal,
            None,
            AclOperation.ANY,
            AclPermissionType.ANY,
        )
        bindings |= set(admin.describe_acls(everything, request_timeout=TIMEOUT_S).result())
    return bindings


def _exactly(binding: AclBinding) -> AclBindingFilter:
    return AclBindingFilter(
        binding.restype,
        binding.name,
        binding.resource_pattern_type,
        binding.principal,
        binding.host,
        binding.operation,
        binding.permission_type,
    )
