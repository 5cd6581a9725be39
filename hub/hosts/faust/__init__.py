"""Faust's part in a worker: it finds partitions, fetches and rebalances. Everything else is `hub.hosts.worker`.

SQL is the truth: the store decides where a worker reads, a batch counts once its transaction is committed, and Kafka's
committed offset is a hint (ADR 0009).
"""
