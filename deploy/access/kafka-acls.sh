#!/bin/sh
set -eu
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-admin --group fleet. --resource-pattern-type prefixed --operation delete --operation describe
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-admin --topic fleet. --resource-pattern-type prefixed --operation alter-configs --operation create --operation delete --operation describe --operation describe-configs
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-console --group fleet-reader --resource-pattern-type literal --operation describe
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-console --group flyball-tail --resource-pattern-type literal --operation describe
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-console --topic fleet.audit --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-console --topic fleet.control --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-console --topic fleet.experience --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-console --topic fleet.insights --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-console --topic fleet.patterns --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-console --topic fleet.policy --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-console --topic fleet.presence --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-console --topic fleet.verdicts --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-decide --group fleet-reader --resource-pattern-type literal --operation describe
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-decide --group fleet.decide --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-decide --group flyball-tail --resource-pattern-type literal --operation describe
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-decide --topic fleet.control --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-decide --topic fleet.dead-letters --resource-pattern-type literal --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-decide --topic fleet.experience --resource-pattern-type literal --operation read --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-decide --topic fleet.insights --resource-pattern-type literal --operation read --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-decide --topic fleet.journal-decide --resource-pattern-type literal --operation read --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-decide --topic fleet.outcomes --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-decide --topic fleet.patterns --resource-pattern-type literal --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-decide --topic fleet.policy --resource-pattern-type literal --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-decide --topic fleet.presence --resource-pattern-type literal --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-decide --topic fleet.promotions --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-decide --topic fleet.state-decide --resource-pattern-type literal --operation read --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-decide --topic fleet.verdicts --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-decide --transactional-id fleet/decide/ --resource-pattern-type prefixed --operation describe --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-detect --group fleet-reader --resource-pattern-type literal --operation describe
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-detect --group fleet.detect --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-detect --group flyball-tail --resource-pattern-type literal --operation describe
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-detect --topic fleet.control --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-detect --topic fleet.dead-letters --resource-pattern-type literal --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-detect --topic fleet.insights --resource-pattern-type literal --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-detect --topic fleet.journal-detect --resource-pattern-type literal --operation read --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-detect --topic fleet.presence --resource-pattern-type literal --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-detect --topic fleet.promotions --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-detect --topic fleet.state-detect --resource-pattern-type literal --operation read --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-detect --topic fleet.telemetry --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-detect --transactional-id fleet/detect/ --resource-pattern-type prefixed --operation describe --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-executor --group fleet-reader --resource-pattern-type literal --operation describe
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-executor --group fleet.executor. --resource-pattern-type prefixed --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-executor --group flyball-tail --resource-pattern-type literal --operation describe
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-executor --topic fleet.actions --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-executor --topic fleet.control --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-executor --topic fleet.dead-letters --resource-pattern-type literal --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-executor --topic fleet.outcomes --resource-pattern-type literal --operation read --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-executor --topic fleet.presence --resource-pattern-type literal --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-foreign --topic fleet.raw --resource-pattern-type literal --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-gate --group fleet-reader --resource-pattern-type literal --operation describe
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-gate --group fleet.gate --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-gate --group flyball-tail --resource-pattern-type literal --operation describe
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-gate --topic fleet.actions --resource-pattern-type literal --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-gate --topic fleet.approvals --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-gate --topic fleet.control --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-gate --topic fleet.dead-letters --resource-pattern-type literal --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-gate --topic fleet.experience --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-gate --topic fleet.insights --resource-pattern-type literal --operation read --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-gate --topic fleet.journal-gate --resource-pattern-type literal --operation read --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-gate --topic fleet.outcomes --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-gate --topic fleet.patterns --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-gate --topic fleet.policy --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-gate --topic fleet.presence --resource-pattern-type literal --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-gate --topic fleet.promotions --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-gate --topic fleet.state-gate --resource-pattern-type literal --operation read --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-gate --topic fleet.verdicts --resource-pattern-type literal --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-gate --transactional-id fleet/gate/ --resource-pattern-type prefixed --operation describe --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-improve --group fleet-reader --resource-pattern-type literal --operation describe
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-improve --group fleet.improve --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-improve --group flyball-tail --resource-pattern-type literal --operation describe
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-improve --topic fleet.approvals --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-improve --topic fleet.audit --resource-pattern-type literal --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-improve --topic fleet.control --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-improve --topic fleet.dead-letters --resource-pattern-type literal --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-improve --topic fleet.experience --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-improve --topic fleet.insights --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-improve --topic fleet.journal-improve --resource-pattern-type literal --operation read --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-improve --topic fleet.models --resource-pattern-type literal --operation read --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-improve --topic fleet.outcomes --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-improve --topic fleet.patterns --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-improve --topic fleet.policy --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-improve --topic fleet.presence --resource-pattern-type literal --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-improve --topic fleet.promotions --resource-pattern-type literal --operation read --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-improve --topic fleet.state-improve --resource-pattern-type literal --operation read --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-improve --topic fleet.telemetry --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-improve --topic fleet.verdicts --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-improve --transactional-id fleet/improve/ --resource-pattern-type prefixed --operation describe --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-ingest --group fleet-reader --resource-pattern-type literal --operation describe
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-ingest --group fleet.ingest --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-ingest --group flyball-tail --resource-pattern-type literal --operation describe
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-ingest --topic fleet.control --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-ingest --topic fleet.dead-letters --resource-pattern-type literal --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-ingest --topic fleet.insights --resource-pattern-type literal --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-ingest --topic fleet.journal-ingest --resource-pattern-type literal --operation read --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-ingest --topic fleet.presence --resource-pattern-type literal --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-ingest --topic fleet.raw --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-ingest --topic fleet.state-ingest --resource-pattern-type literal --operation read --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-ingest --topic fleet.telemetry --resource-pattern-type literal --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-ingest --transactional-id fleet/ingest/ --resource-pattern-type prefixed --operation describe --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-notifier --group fleet-reader --resource-pattern-type literal --operation describe
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-notifier --group flyball-tail --resource-pattern-type literal --operation describe
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-notifier --topic fleet.verdicts --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-operator --group fleet-reader --resource-pattern-type literal --operation describe
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-operator --group flyball-tail --resource-pattern-type literal --operation describe
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-operator --topic fleet.actions --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-operator --topic fleet.approvals --resource-pattern-type literal --operation read --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-operator --topic fleet.audit --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-operator --topic fleet.control --resource-pattern-type literal --operation read --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-operator --topic fleet.dead-letters --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-operator --topic fleet.experience --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-operator --topic fleet.insights --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-operator --topic fleet.journal-decide --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-operator --topic fleet.journal-detect --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-operator --topic fleet.journal-gate --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-operator --topic fleet.journal-improve --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-operator --topic fleet.journal-ingest --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-operator --topic fleet.models --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-operator --topic fleet.outcomes --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-operator --topic fleet.patterns --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-operator --topic fleet.policy --resource-pattern-type literal --operation read --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-operator --topic fleet.presence --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-operator --topic fleet.promotions --resource-pattern-type literal --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-operator --topic fleet.raw --resource-pattern-type literal --operation read --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-operator --topic fleet.state-decide --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-operator --topic fleet.state-detect --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-operator --topic fleet.state-gate --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-operator --topic fleet.state-improve --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-operator --topic fleet.state-ingest --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-operator --topic fleet.telemetry --resource-pattern-type literal --operation read --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-operator --topic fleet.verdicts --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-producer --topic fleet.telemetry --resource-pattern-type literal --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-recovery --group fleet-reader --resource-pattern-type literal --operation describe
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-recovery --group flyball-tail --resource-pattern-type literal --operation describe
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-recovery --topic fleet.approvals --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-recovery --topic fleet.control --resource-pattern-type literal --operation read --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-recovery --topic fleet.experience --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-recovery --topic fleet.insights --resource-pattern-type literal --operation read --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-recovery --topic fleet.journal-decide --resource-pattern-type literal --operation read --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-recovery --topic fleet.journal-detect --resource-pattern-type literal --operation read --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-recovery --topic fleet.journal-gate --resource-pattern-type literal --operation read --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-recovery --topic fleet.journal-improve --resource-pattern-type literal --operation read --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-recovery --topic fleet.journal-ingest --resource-pattern-type literal --operation read --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-recovery --topic fleet.outcomes --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-recovery --topic fleet.patterns --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-recovery --topic fleet.policy --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-recovery --topic fleet.promotions --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-recovery --topic fleet.raw --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-recovery --topic fleet.state-decide --resource-pattern-type literal --operation read --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-recovery --topic fleet.state-detect --resource-pattern-type literal --operation read --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-recovery --topic fleet.state-gate --resource-pattern-type literal --operation read --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-recovery --topic fleet.state-improve --resource-pattern-type literal --operation read --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-recovery --topic fleet.state-ingest --resource-pattern-type literal --operation read --operation write
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-recovery --topic fleet.telemetry --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-recovery --topic fleet.verdicts --resource-pattern-type literal --operation read
kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add --allow-principal User:fleet-recovery --transactional-id fleet/ --resource-pattern-type prefixed --operation describe --operation write
