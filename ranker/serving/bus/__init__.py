"""Kafka between the servers and the event store: what servers publish, consumers write."""
