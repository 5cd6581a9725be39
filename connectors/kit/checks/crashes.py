"""State and crashes: whatever was saved is enough to go on from, and nothing arrives twice or not at all."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from connectors.kit.bench import AGENCY, Bench, evening, families
from connectors.kit.checks.case import MANY, SIZE, Case, names_at_the_end, names_that_may_leave
from connectors.kit.trial import Tables
from connectors.pipeline.publish.reported import REASON, WITHDRAWN
from connectors.pipeline.run.commit import BatchCommit
from hub.domain.consent import recorded_id
from hub.failpoints import observed

FAIL_POINTS = (
    "connector.before_publish",
    "connector.after_publish",
    "connector.after_save",
    "connector.after_republish",
)


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


def resumes_from_every_state(case: Case) -> str:
    """Ended after every single batch and begun anew from what was saved: what arrives is what one reading brings."""
    expected = _uninterrupted(case, families(SIZE))
    with case.bench() as bench:
        bench.write(families(SIZE), 0)
        bench.raw["connector"].update(batch=1, batches_per_step=1)
        lives = 0
        while lives < 10 * SIZE:
            lives += 1
            with bench.life() as connector:
                if not bench.step(connector, evening(0)).more:
                    break
        bench.all(0)
        assert bench.facts() == expected, "what arrived differs from one uninterrupted reading"
    assert lives > SIZE, "the source gives its rows in batches of the size it is asked for"
    return f"{lives} lives"


def killed_at_each_fail_point(case: Case) -> str:
    """Killed before and after publishing, after saving, between two batches: the same events, the same ids."""
    with case.bench() as bench:
        _first_day(bench)
        bench.all(1)
        expected = bench.facts()
    kills = 0
    for point in (*FAIL_POINTS, "reading"):
        before = kills
        for count in (1, 2):
            with case.bench() as bench:
                _first_day(bench)
                kills += _killed(bench, point, count)
                bench.all(1)
                assert bench.facts() == expected, f"killed at {point}, time {count}: other events arrived"
        assert kills > before, f"never came to {point}"
    return f"{kills} kills"


def backfill_beside_live(case: Case) -> str:
    """Given again on request while rows change and a consent goes: live first, then as read afresh, and withdrawn."""
    everybody = families(MANY + 1)
    tables = {name: rows[:-1] for name, rows in everybody.items()}
    with case.bench(batch=10) as bench:
        bench.raw["connector"].update(interval_seconds=1, backfill_rows_per_second=10)
        bench.write(tables, 0)
        bench.all(0)
        before, sent = set(bench.facts()), bench.sent()
        if not bench.ask_again(evening(1)):
            return "the source keeps nothing that it could read again"
        without = everybody["consents"].pop(2)
        bench.write({**tables, "consents": [row for row in tables["consents"] if row is not without]}, 1)
        assert _killed(bench, "connector.before_backfill_save", 1), "nothing was given again"
        everybody["people"][2]["name"] = "Neu"
        bench.write(everybody, 2)
        _given_beside(bench, names_that_may_leave(everybody))
        expected = {**_afresh(case, everybody), **_withdrawal(bench, without)}
        assert bench.newest(sent) == expected, "it is not what a fresh reading and a withdrawal bring"
        new = len(set(bench.facts(sent)) - before)
        assert new == 1 + 3 + 1, f"one changed, three came, a consent was withdrawn: {new} publications"
        return f"{len(bench.facts(sent))} publications again"


def _given_beside(bench: Bench, expected: set[str]) -> None:
    """From the step on in which rows change; in that same step they arrive, though there is more to give."""
    with bench.life() as connector:
        bench.step(connector, evening(2))
        assert bench.under_way(), "all was given at once, whatever the rate"
        assert names_at_the_end(bench) >= expected, "a change waited for what is given again"
        for second in range(1, 2 * MANY):
            bench.step(connector, evening(2) + timedelta(seconds=second))
    assert not bench.under_way(), "it has no end"


def _afresh(case: Case, tables: Tables) -> Mapping[bytes, tuple[str, str]]:
    with case.bench() as bench:
        bench.write(tables, 2)
        bench.all(2)
        return bench.newest()


def _withdrawal(bench: Bench, consent: Mapping[str, str]) -> Mapping[bytes, tuple[str, str]]:
    """What takes back the consent of a row that is gone: a fresh reading never saw the row, and says nothing of it."""
    content = {"consent_id": bench.key.consent(recorded_id(AGENCY, consent["number"])), "reason": REASON}
    said = (WITHDRAWN, repr(sorted(content.items())))
    found = [record for record, one in bench.newest().items() if one == said]
    assert len(found) == 1, f"the vanished consent was withdrawn in {len(found)} records, not in one"
    return {found[0]: said}


def _uninterrupted(case: Case, tables: Tables) -> Sequence[object]:
    with case.bench() as bench:
        bench.write(tables, 0)
        bench.all(0)
        facts = bench.facts()
    assert facts, "nothing arrived"
    return facts


def _first_day(bench: Bench) -> None:
    """Hardly anybody has consented. A day later others have, two have another name, and two people are new.

    One of the renamed had consented before: of her nothing is read again unless the source says that she changed.
    """
    tables = families(SIZE)
    bench.write({"people": tables["people"][:-2], "consents": tables["consents"][1:2]}, 0)
    bench.all(0)
    tables["people"][0]["name"] = tables["people"][2]["name"] = "Neu"
    bench.write(tables, 1)


def _killed(bench: Bench, point: str, count: int) -> int:
    """One life that ends at the point when it comes there for the `count`th time; whether it came there."""
    left = count

    def fail(name: str) -> None:
        nonlocal left
        left -= name == point
        if name == point and left == 0:
            raise Killed

    with ExitStack() as stack:
        stack.enter_context(observed(fail))
        stack.enter_context(patch("connectors.pipeline.run.commit.BatchCommit.publish", _between(fail)))
        try:
            with bench.life() as connector:
                bench.step(connector, evening(1))
        except Killed:
            return 1
    return 0


def _between(fail: Callable[[str], None]) -> Callable[..., None]:
    publish = BatchCommit.publish  # the point between two batches has no name in the product

    def wrapped(self: BatchCommit, *args: Any, **options: Any) -> None:
        fail("reading")
        publish(self, *args, **options)

    return wrapped
