"""One story on both hosts: embedded in one process, and on Kafka and PostgreSQL with every part a process of its own.

All that the hub says must be equal: read models, joint views, staging tables, register and counts. Publication numbers
and counts are equal too, because the sources take the same steps on both hosts: a day is read when the hub has come to
rest, and they are asked again until nothing is new. Left out is only what is chance (keys, nonces, view ids), what
names a place in one host's log, and the versions of views: how often a view is made over on the way depends on how
many records one batch holds, its last content does not.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table, select

from hub.dev.demo import balance, caller
from hub.parts import Parts
from hub.views.opening import open_view
from projections.consent_register.apply import SEPARATOR
from projections.consent_register.tables import consent_row
from projections.joint_case.tables import case_row
from tests.acceptance.conftest import Told
from tests.support.kafka_world import FOLDERS, staged
from tests.support.oracle import assert_each_once, assert_rebuilt_equals_live, assert_views_agree

Rows = list[tuple[Any, ...]]
READ_MODELS = {
    "joint case": (case_row, {"generation", "envelope"}),
    "consent register": (consent_row, {"generation", "envelope"}),
}


def rows(parts: Parts, table: Table, without: Iterable[str]) -> Rows:
    """All rows of a table of the store, in an order of their own. Of the id of an objection's row the digest is left
    out: it is made of sealed bytes."""
    columns = [column for column in table.columns if column.name not in without]
    with parts.store.transaction() as connection:
        found = [tuple(row) for row in connection.execute(select(*columns))]
    return sorted(
        (row[0].partition(SEPARATOR)[0], *row[1:]) if "ObjectionRaised" in row else row for row in found
    )


def exported(folder: Path) -> dict[str, bytes]:
    """Every file of the youth office's export."""
    export = folder / "youth_office" / "export"
    return {str(path.relative_to(export)): path.read_bytes() for path in sorted(export.rglob("*.*"))}


def jobcenter(folder: Path) -> Sequence[str]:
    """The whole jobcenter database."""
    with closing(sqlite3.connect(folder / "jobcenter" / "jobcenter.sqlite")) as connection:
        return list(connection.iterdump())


def test_both_read_the_same(told: Told) -> None:
    assert jobcenter(told.embedded.folder) == jobcenter(told.kafka.folder)
    assert exported(told.embedded.folder) == exported(told.kafka.folder)


@pytest.mark.parametrize("name", READ_MODELS)
def test_the_read_models_are_equal(told: Told, name: str) -> None:
    table, chance = READ_MODELS[name]
    embedded = rows(told.embedded.parts, table, chance)
    assert len(embedded) > 100
    assert rows(told.kafka.rig.parts, table, chance) == embedded


@pytest.mark.parametrize("office", FOLDERS.values())
def test_the_staging_tables_are_equal(told: Told, office: str) -> None:
    embedded = staged(told.embedded.folder / office)
    assert len(embedded) > 50
    assert staged(told.kafka.folder / office) == embedded


def test_the_joint_views_are_equal(told: Told) -> None:
    """Every family, every role: what a person would see who opened it now."""
    directory, shown = caller(told.embedded), 0
    for viewer in directory.viewers:
        agency = told.embedded.parts.agencies[viewer.agency]
        for family in directory.families[viewer.agency]:
            recipient = directory.recipient(viewer, family.case_ref, agency)
            both = [
                open_view(parts, family.case_ref, recipient, "joint_case_management").redacted
                for parts in (told.embedded.parts, told.kafka.rig.parts)
            ]
            assert both[0] == both[1], (viewer.key, family.case_ref)
            shown += bool(both[0].parts)
    assert shown > 30


def test_the_counts_are_equal_and_balance(told: Told) -> None:
    """The embedded host's come from what its stages answered, those of Kafka are counted in topics and tables."""
    embedded, kafka = told.embedded.counts(), told.kafka.counts()
    assert balance(embedded)
    assert balance(kafka)
    assert kafka == {name: embedded[name] for name in kafka}
    assert kafka["duplicates"] == 0


def test_nothing_is_lost_on_kafka(told: Told) -> None:
    """The same oracle as after a fault: each record once, a rebuild equals the live model, views and store agree."""
    told_by_embedded = {
        record for record, *_ in rows(told.embedded.parts, case_row, {"generation", "envelope"})
    }
    assert_each_once(told.kafka.rig, told_by_embedded)
    assert_rebuilt_equals_live(told.kafka.rig)
    assert_views_agree(told.kafka.rig)
