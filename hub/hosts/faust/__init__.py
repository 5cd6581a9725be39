"""The Kafka host: workers that drive the stages with Faust.

Faust finds partitions, fetches and rebalances; nothing else is asked of it. SQL is the truth: where a worker reads is
decided by the store (`seeking`), a batch counts when its transaction is committed, and Kafka's committed offset is a
hint. What goes wrong is tried again (`patience`) or ends the process (`leaving`) under a supervisor (`supervise`).
"""
