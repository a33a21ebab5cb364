"""The edges: sources, executors, the lab world, Kafka itself."""
