"""The access-control table as data: what the registry says, in every form."""

import json
import shlex

from connectors.kafka.access import ADMIN, PRINCIPALS, RECOVERY, access_rules, as_commands, as_json, as_markdown
from schemas.topics import ROLES, TOPICS

RULES = access_rules("lab")


def writers(topic: str) -> set[str]:
    return {rule.principal for rule in RULES if rule.name == f"lab.{topic}" and "write" in rule.operations}


def test_only_the_gate_writes_actions_and_only_people_write_control() -> None:
    assert writers("actions") == {"User:lab-gate"}
    assert writers("control") == {"User:lab-operator", f"User:lab-{RECOVERY}"}
    assert writers("outcomes") == {"User:lab-executor"}


def test_every_reader_and_writer_of_the_registry_has_a_principal() -> None:
    parts = {part for topic in TOPICS.values() for part in (*topic.read_by, *topic.written_by)}
    assert parts == {part for covered in PRINCIPALS.values() for part in covered}


def test_nobody_but_the_admin_has_a_rule_for_topics_by_prefix() -> None:
    wide = {rule.principal for rule in RULES if rule.kind == "topic" and rule.pattern == "prefixed"}
    assert wide == {f"User:lab-{ADMIN}"}


def test_each_role_owns_its_transactions_journal_and_state() -> None:
    for role in ROLES:
        assert writers(f"journal-{role}") == writers(f"state-{role}") == {f"User:lab-{role}", f"User:lab-{RECOVERY}"}
        owners = {rule.principal for rule in RULES if rule.name == f"lab/{role}/"}
        assert owners == {f"User:lab-{role}"}


def test_recovery_folds_for_any_role_but_acts_for_none() -> None:
    written = {topic for topic in TOPICS if f"User:lab-{RECOVERY}" in writers(topic)}
    assert written == {"insights", "control", *(f"{kind}-{role}" for kind in ("journal", "state") for role in ROLES)}


def test_json_holds_every_rule_and_markdown_a_line_for_each() -> None:
    assert len(json.loads(as_json(RULES))) == len(RULES)
    assert len(as_markdown(RULES).splitlines()) == len(RULES) + 2


def test_commands_are_one_kafka_acls_call_per_rule() -> None:
    calls = [shlex.split(line) for line in as_commands(RULES, bootstrap="kafka:9093").splitlines()[2:]]
    assert len(calls) == len(RULES)
    assert all(call[0] == "kafka-acls.sh" and call[2] == "kafka:9093" for call in calls)
    gate = next(call for call in calls if "lab.actions" in call and "User:lab-gate" in call)
    assert gate[-2:] == ["--operation", "write"]
