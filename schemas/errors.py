"""What can be wrong with a schema or with what claims to follow one.

Plain ``ValueError`` subclasses, because ``schemas`` stands below the hub and cannot know its error tree:

    ValueError
    ├── UnknownSchema        no such name, version or fingerprint: quarantine, or install the schema
    ├── InvalidPayload       does not follow its schema: quarantine, or correct the mapping
    └── IncompatibleSchema   the schema files contradict each other or the rules: correct the files

No message ever holds a value of the payload, only the event type and the field.
"""


class UnknownSchema(ValueError):
    """There is no schema of this name, version or fingerprint."""


class InvalidPayload(ValueError):
    """A payload does not follow its schema; names the event type and, where known, the field."""

    def __init__(self, event_type: str, reason: str, field: str | None = None) -> None:
        place = event_type if field is None else f"{event_type}.{field}"
        super().__init__(f"{place}: {reason}")
        self.event_type = event_type
        self.field = field
        self.reason = reason


class IncompatibleSchema(ValueError):
    """A schema file breaks the rules of this package or cannot read an older version."""
