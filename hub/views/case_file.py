"""Reading joint cases for a view, under the locks that keep their persons' consents as they are (rules 18 and 20).

First the epoch rows of all persons concerned are locked, in a fixed order; then, in later statements, consents,
records and links are read. Opening and redacting may take long for a long case, so the locks do not wait for that:
whoever shows something locks again, and compares the epochs (`unchanged`) in the transaction that records it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from hub.parts import Parts
from hub.sealed.boxes import content, keys_for
from hub.sealed.decode import envelope_of
from hub.store import subjects, views
from hub.subjects.knowledge import Knowledge
from hub.subjects.learning import learn
from hub.views.redaction import Evidence
from projections.joint_case.queries import CaseRow, of_cases
from schemas import decode_single


@dataclass(frozen=True, slots=True)
class CaseFile:
    """One joint case: its agencies' cases, its opened records, and what is known of everybody in it."""

    joint_case: str
    cases: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    known: Mapping[str, Knowledge]
    names: Mapping[str, str]  # subject key → person, confiders included

    @property
    def epochs(self) -> str:
        """Persons and their epochs in one string: it differs when anything about them changed."""
        return ";".join(f"{key}={self.known[key].epoch}" for key in sorted(self.known))

    def case_of(self, agency: str) -> str | None:
        """The agency's own case ref, if it knows the family."""
        return next((case.split(":", 1)[1] for case in self.cases if case.startswith(f"{agency}:")), None)


@dataclass(frozen=True, slots=True)
class SealedCases:
    """Joint cases as they were read under the locks; nothing in them is opened yet."""

    cases: Mapping[str, Sequence[str]]  # joint case → its agencies' cases
    members: Mapping[str, Sequence[str]]  # case → subjects
    known: Mapping[str, Knowledge]
    rows: Sequence[CaseRow] = field(repr=False)

    def opened(self, parts: Parts, connection: Connection) -> dict[str, CaseFile]:
        """Joint case → its file, its records opened in memory."""
        opened = _open(parts, self.rows)
        names = _names(connection, self.known, opened)
        by_case: dict[str, list[Evidence]] = {}
        for row, one in zip(self.rows, opened, strict=True):
            by_case.setdefault(row.case_key, []).append(one)
        return {
            joint: _file(joint, of, self.members, self.known, names, by_case)
            for joint, of in self.cases.items()
        }


def read_cases(connection: Connection, parts: Parts, joint_cases: Iterable[str]) -> SealedCases:
    """Lock, then read. One call for many cases, so that the locks are taken in one order."""
    cases = subjects.cases_of(connection, sorted(set(joint_cases)))
    every = [case for of in cases.values() for case in of]
    members = views.members(connection, every)
    known = learn(
        connection, parts.keys, parts.knowledge, {key for of in members.values() for key in of}, lock=True
    )
    live = subjects.live_generation(connection, "joint_case")
    # A person who joined since the locks were taken has marked the case; the next round shows what is theirs.
    rows = [row for row in of_cases(connection, live, every) if row.subject in known]
    return SealedCases(cases, members, known, rows)


def unchanged(connection: Connection, parts: Parts, files: Iterable[CaseFile]) -> set[str]:
    """Lock the persons of these files again; the joint cases of which nothing changed since they were read."""
    every = list(files)
    now = learn(
        connection, parts.keys, parts.knowledge, {key for file in every for key in file.known}, lock=True
    )
    return {
        file.joint_case
        for file in every
        if all(now[key].epoch == known.epoch for key, known in file.known.items())
    }


def _file(
    joint: str,
    cases: Sequence[str],
    members: Mapping[str, Sequence[str]],
    known: Mapping[str, Knowledge],
    names: Mapping[str, str],
    by_case: Mapping[str, Sequence[Evidence]],
) -> CaseFile:
    evidence = [one for case in cases for one in by_case.get(case, ())]
    evidence.sort(key=lambda one: (one.envelope.occurred_at, one.record_ref))
    mine = {key for case in cases for key in members.get(case, ())}
    return CaseFile(joint, tuple(cases), tuple(evidence), {key: known[key] for key in mine}, names)


def _open(parts: Parts, rows: Sequence[CaseRow]) -> list[Evidence]:
    envelopes = [envelope_of(decode_single(row.envelope)[1]) for row in rows]
    found = keys_for(parts.keys, "box", envelopes)
    return [
        Evidence(row.record_ref, row.subject, envelope, content(envelope, "box", found))
        for row, envelope in zip(rows, envelopes, strict=True)
    ]


def _names(
    connection: Connection, known: Mapping[str, Knowledge], opened: Iterable[Evidence]
) -> dict[str, str]:
    names = {key: knowledge.person for key, knowledge in known.items()}
    confiders = {
        f"{e.controller_id}:{e.entrusted_by}" for e in (one.envelope for one in opened) if e.entrusted_by
    }
    missing = confiders - names.keys()
    return names | (subjects.persons(connection, missing) if missing else {})
