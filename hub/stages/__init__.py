"""The stages that an event passes through: consents, register, admit, project, disclose, receipts, timers.

A batch in, an outcome out. Stages know neither Faust nor Kafka; they get their `Parts` and the records, and a host
drives them.
"""
