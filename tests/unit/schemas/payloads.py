"""Hypothesis strategies for payloads that fit a schema."""

import datetime as dt
from decimal import Decimal

from hypothesis import strategies as st

from schemas import EventSchema

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_TEXT = st.text(max_size=20)
_TEXTS = st.lists(_TEXT, max_size=3)

_VALUES: dict[str, st.SearchStrategy[object]] = {
    "string": _TEXT,
    "boolean": st.booleans(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "double": st.floats(allow_nan=False, allow_infinity=False),
    "date": st.dates(),
    "timestamp-micros": st.integers(-(2**50), 2**50).map(lambda us: _EPOCH + dt.timedelta(microseconds=us)),
    "decimal": st.integers(-(10**12) + 1, 10**12 - 1).map(lambda cents: Decimal(cents).scaleb(-2)),
    "strings": _TEXTS,
    "string|strings": _TEXT | _TEXTS,
    "string|Stamp": _TEXT
    | st.fixed_dictionaries({}, optional=dict.fromkeys(("project", "worker", "phone"), _TEXT)),
    "Scope": st.fixed_dictionaries({"purposes": _TEXTS, "categories": _TEXTS, "recipients": _TEXTS}),
}


def payloads(schema: EventSchema) -> st.SearchStrategy[dict[str, object]]:
    """Payloads with every required field and any of the others."""
    values = {name: _VALUES[spec.kind] for name, spec in schema.fields.items()}
    required = {name: value for name, value in values.items() if name in schema.required}
    optional = {name: value for name, value in values.items() if name not in schema.required}
    return st.fixed_dictionaries(required, optional=optional)
