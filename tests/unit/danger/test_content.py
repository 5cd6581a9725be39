"""A report is never refused: whatever its bytes are, they arrive, marked; an answer holds three flags only."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.danger.content import (
    FLAGS,
    MOST,
    DangerReport,
    answer_content,
    read_report,
    received_answer,
    received_report,
    report_content,
)
from tests.support.danger import REPORT

NAMES = st.sampled_from(["child", "signs", "family_informed", "channel", "number", "x"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner),
    max_leaves=8,
)


def carried(data: bytes) -> DangerReport:
    plain = report_content(read_report(data), "jobcenter")
    assert plain is not None
    return received_report(plain)


def test_a_complete_report_arrives_as_it_is_without_the_reporters_own_numbers() -> None:
    report = carried(json.dumps(REPORT).encode())
    assert report.fields == {name: REPORT[name] for name in ("child", "signs", "family_informed", "channel")}
    assert (report.unread, report.marks) == ("", ())
    assert "JC-77" not in repr(read_report(json.dumps(REPORT).encode()))


@pytest.mark.parametrize(
    ("content", "marks"),
    [
        (b"Das Kind schreit seit Tagen", ("no_form",)),
        (b"Das Kind schl\xe4gt", ("encoding", "no_form")),
        (b'["Mia"]', ("no_form",)),
        (
            b'{"child": "Mia", "signs": 3, "family_informed": false, "channel": "Brief"}',
            ("unreadable: signs",),
        ),
        (
            b'{"child": "Mia", "tel": "1", "signs": ["x"], "family_informed": true, "channel": "Brief"}',
            ("further",),
        ),
        (b'{"child": ""}', tuple(f"missing: {n}" for n in ("child", "signs", "family_informed", "channel"))),
        (b'{"child": "\\ud800"}', ("no_form",)),
        (b"[" * 60_000, ("no_form",)),
        (b"x" * (MOST + 1), ("cut", "no_form")),
        (b"", ("no_form",)),
    ],
)
def test_what_is_wrong_is_marked_and_arrives_all_the_same(content: bytes, marks: tuple[str, ...]) -> None:
    report = carried(content)
    assert report.marks == marks
    if not all(mark.startswith("missing") for mark in marks):
        assert report.unread == content[:MOST].decode("utf-8", "replace")


@given(JSON | st.binary())
def test_whatever_it_is_nothing_is_lost(content: Any) -> None:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    report = carried(data)
    text = data.decode("utf-8-sig", "replace")
    whole = isinstance(content, dict) and not {"no_form"} & set(report.marks)
    if not whole:
        assert report.unread == text
        return
    for name in content.keys() - {"number", "case"}:
        told = report.fields.get(name), json.loads(report.unread or "{}").get(name)
        assert content[name] is None or any(one == content[name] or [content[name]] == one for one in told)


@pytest.mark.parametrize("kind", ["youth_welfare", "social_office"])
def test_only_jobcenters_and_providers_report(kind: str) -> None:
    assert report_content(read_report(b"{}"), kind) is None
    assert report_content(read_report(b"{}"), "provider") is not None


def test_the_size_of_a_letter_tells_nothing() -> None:
    short, long = (report_content(read_report(text), "jobcenter") for text in (b"{}", b"x" * 3000))
    assert short is not None
    assert long is not None
    assert len(short) == len(long)
    assert len({len(answer_content(dict.fromkeys(FLAGS, value))) for value in (True, False, None)}) == 1


def test_the_reporter_sees_three_flags_whatever_else_was_put_there() -> None:
    plain = json.dumps(
        {"confirmed": True, "acted": "yes", "result": "Inobhutnahme", "still_acting": False}
    ).encode()
    assert received_answer(plain, "jobcenter") == {"confirmed": True, "acted": None, "still_acting": False}
    assert received_answer(plain, "provider")["confirmed"] is True
    assert received_answer(plain, "social_office") == {}
    assert received_answer(b"[]", "jobcenter") == {}
