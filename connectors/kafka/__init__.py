"""Apache Kafka on one machine, and administration of any Kafka."""
