"""Tables that the documentation takes from the code: `python -m tests.docs.tables` writes them into the pages."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from prometheus_client import CollectorRegistry

from hub.desk.texts import LANGUAGES, load, versions
from hub.desk.work.verbs import LIST, VERBS, FieldRule
from hub.errors import HubError
from hub.metrics.danger import LABELS, OVERDUE, SAYS
from hub.metrics.named import CONNECTOR_GAUGES, STORE_GAUGES, metrics
from hub.policy import decide, default_policy, parse_request
from hub.policy.retention import default_retention
from schemas import EventSchema, code_list, event_schema, event_types, event_versions, limits, topics
from tests.docs.pages import ROOT, pages
from tests.unit.policy.reducing import rows
from tests.unit.policy.rules import WITNESSES

EXAMPLES = ROOT / "tests" / "contract_examples" / "decide"
_CHOSEN = ("01", "02", "03", "04", "06", "07", "08", "09", "10", "12", "18")
Rows = Iterator[Sequence[str]]


def policy() -> Rows:
    """A part of the examples that tests/unit/policy/test_examples.py holds the policy to."""
    yield "case", "who", "what", "purpose", "ground", "decision", "reason"
    for path in sorted(EXAMPLES.glob("*.json")):
        if path.name[:2] in _CHOSEN:
            words = path.stem[3:].replace("-", " ")
            yield words, *_example(json.loads(path.read_text(encoding="utf-8")))


def _example(case: Mapping[str, Any]) -> Sequence[str]:
    decision = decide(default_policy(), parse_request(dict(case)))
    event, to = case["event"], case["recipient"]
    told = ", ".join(f"{name} ({label or 'no label'})" for name, label in event["fields"].items())
    reasons = ", ".join(f"{reason.rule} {reason.norm}" for reason in decision.reasons)
    return (
        f"`{to['role']}`",
        f"{event['type']} of {case['sender']['controller']}: {told}",
        case["purpose"].replace("_", " "),
        _ground(case),
        f"**{decision.outcome}**",
        reasons or "–",
    )


def _ground(case: Mapping[str, Any]) -> str:
    ground = case["event"]["ground"]
    if "norm" in ground:
        return f"{ground['norm']}, {'attested' if ground['attested_by'] else 'not attested'}"
    named = [one for one in case["consents"] if one["id"] in ground["consents"]]
    return "; ".join(_consent(one, case["at"]) for one in named) or "none"


def _consent(consent: Mapping[str, Any], at: str) -> str:
    withdrawn = consent["withdrawn_at"] is not None and consent["withdrawn_at"] <= at
    return f"consent for {' '.join(consent['categories'])}{', withdrawn' if withdrawn else ''}"


def topic_table() -> Rows:
    yield "topic", "key", "written by", "read by", "kept"
    for topic in topics().values():
        hours = topic.retention_hours
        kept = (
            "newest per key (compacted)"
            if topic.cleanup == "compact"
            else f"{hours} h"
            if hours
            else "for ever"
        )
        yield f"`{topic.pattern.format(agency='<id>')}`", topic.key, topic.written_by, topic.read_by, kept


def event_table() -> Rows:
    yield "event", "topic", "versions", "fields (category)"
    versions = [schema.event_type for schema in event_versions()]
    for name in event_types():
        schema = event_schema(name)
        fields = ", ".join(
            f"{field.name}{'*' * field.required} ({_category(field)})" for field in schema.fields.values()
        )
        yield f"`{name}`", schema.topic, str(versions.count(name)), fields


def _category(field: Any) -> str:
    kinds = ", ".join(f"{kind}: {label}" for kind, label in (field.category_by_kind or {}).items())
    moving = sorted(EventSchema.moved_by(field)) if field.special else []
    special = f"; {', '.join(moving)} by code" if moving else ""
    return f"{kinds or field.category or 'none'}{special}"


def exit_codes() -> Rows:
    """The error tree; several of a code share a row."""
    yield "code", "errors"
    named: dict[int, list[str]] = {}
    for kind in _tree(HubError):
        named.setdefault(kind.exit_code, []).append(f"`{kind.__name__}`")
    yield from ((f"`{code}`", ", ".join(names)) for code, names in sorted(named.items()))


def _tree(kind: type[HubError]) -> Iterator[type[HubError]]:
    yield kind
    for child in kind.__subclasses__():
        if child.__module__ == "hub.errors":
            yield from _tree(child)


def metric_table() -> Rows:
    yield "metric", "labels", "says"
    registry = CollectorRegistry()
    made = metrics(registry)
    found = [
        (metric._name, metric._labelnames, metric._documentation, metric._type)
        for name in type(made).__dataclass_fields__
        if hasattr(metric := getattr(made, name), "_documentation")
    ]
    rows = [
        (f"{name}_total" if kind == "counter" else name, tuple(labels), says)
        for name, labels, says, kind in found
    ]
    rows += [(name, labels, says) for name, (says, labels) in {**STORE_GAUGES, **CONNECTOR_GAUGES}.items()]
    rows.append((OVERDUE, LABELS, SAYS))
    yield from ((f"`{name}`", ", ".join(labels) or "–", says) for name, labels, says in sorted(rows))


def retention() -> Rows:
    yield "what", "after", "kept for", "norm", "in German"
    for one in default_retention():
        yield one.what, one.state, f"{one.number} {one.unit}s", one.norm, one.de


def consent_texts() -> Rows:
    yield "version", "language", "title", "sha256"
    for version in versions():
        for language in LANGUAGES:
            text = load(version, language)
            yield text.id, text.word("name"), text.word("title"), f"`{text.sha256.removeprefix('sha256:')}`"


def name_limits() -> Rows:
    yield "identifier", "characters", "what it is", "where"
    for name, limit in limits.NAMES.items():
        named = (of for of, kind in {**limits.ENVELOPE, **limits.PAYLOAD}.items() if kind == name)
        yield name, str(limit.characters), limit.says, ", ".join(dict.fromkeys(named)) or "–"


def size_limits() -> Rows:
    yield "what", "at most", "where it is checked"
    yield "text of one field", f"{limits.TEXT} characters", "mapping, opening of a box"
    yield "entries of one list", f"{limits.ITEMS}, together as long as one text", "mapping, opening of a box"
    yield "number of a publication", str(limits.PUBLICATIONS), "consents, admit"
    yield "record of a connector", f"{limits.MAPPED_BYTES} bytes", "publishing (`connector.max_event_bytes`)"
    yield "record that the hub takes", f"{limits.EVENT_BYTES} bytes", "consents, admit"
    yield "record of a view", f"{limits.VIEW_BYTES} bytes", "disclose"
    yield "record of any topic", f"{limits.RECORD_BYTES} bytes", "broker (`max.message.bytes`)"
    yield "time of an event", _span(limits.FIRST_MAPPED, limits.LAST_MAPPED), "mapping"
    yield "time of an envelope", _span(limits.FIRST_TIME, limits.LAST_TIME), "consents, admit"


def _span(first: datetime, last: datetime) -> str:
    return f"from {first.date()} until before {last.date()}"


def rule_table() -> Rows:
    """Where each rule is answered; tests/unit/policy/test_rules.py fires those that are code."""
    yield "rule", "norm", "answered by", "says"
    for rule, reason in sorted(default_policy().latest.reasons.items()):
        where = (
            ", ".join(f"`{module}`" for module in WITNESSES[rule].where.split(", "))
            if rule in WITNESSES
            else ""
        )
        yield rule, reason.norm, where or f"a {reason.checked}", reason.text_en


def reduced_cells() -> Rows:
    """The reviewed table that tests/unit/policy/test_reduce.py holds the policy to, beside the cell of the matrix."""
    yield "category", "role", "cell", "records", "form"
    cells = default_policy().latest.rows
    for row in rows():
        category, role = row["category"], row["role"]
        yield category, f"`{role}`", cells[role][category].text, row["records"], row["form"]


def codes() -> Rows:
    """Every code of every list, with the fields that take it."""
    yield "Feld", "Code", "Bezeichnung", "gilt"
    fields: dict[str, set[str]] = {}
    for name in event_types():
        for field, spec in event_schema(name).fields.items():
            if spec.codelist:
                fields.setdefault(spec.codelist, set()).add(f"`{field}`")
    for name in sorted(fields):
        for code in code_list(name).codes:
            until = f" bis {code.valid_to:%d.%m.%Y}" if code.valid_to else ""
            valid = f"ab {code.valid_from:%d.%m.%Y}{until}"
            yield ", ".join(sorted(fields[name])), f"`{code.code}`", code.label_de, valid


def work_verbs() -> Rows:
    """Every verb of the work book with the fields of its object."""
    yield "Befehl", "Felder", "wofür"
    for name, verb in {**VERBS, "list": LIST}.items():
        shapes = [_fields(verb.fields), *([f"mit `ref`: {_fields(verb.again)}"] if verb.again else [])]
        yield f"`{name}`", "; ".join(shapes), verb.text


def _fields(rules: Mapping[str, FieldRule]) -> str:
    told = (
        f"`{rule.name}`{'*' * rule.required}" for rule in rules.values() if rule.name not in ("at", "key")
    )
    return ", ".join(told)


TABLES: Mapping[str, Callable[[], Rows]] = {
    "policy": policy,
    "topics": topic_table,
    "codes": codes,
    "events": event_table,
    "exit-codes": exit_codes,
    "metrics": metric_table,
    "retention": retention,
    "rules": rule_table,
    "reduced-cells": reduced_cells,
    "consent-texts": consent_texts,
    "name-limits": name_limits,
    "size-limits": size_limits,
    "work-verbs": work_verbs,
}


def table(name: str) -> str:
    """The table in Markdown."""
    head, *rows = TABLES[name]()
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


if __name__ == "__main__":
    written = {name: table(name) for name in TABLES}
    for page in pages():
        if page.blocks:
            page.path.write_text(page.with_blocks(written), encoding="utf-8")
