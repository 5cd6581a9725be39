"""The way of an event through the hub: consents, register, admit, project, disclose. A batch in, an outcome out.

Stages know neither Faust nor Kafka; they get their `Parts` and the records, and a host drives them.
"""
