"""One agency's consent desk: what its pages and commands do, with the agency's own configuration and nothing else."""

import secrets
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from connectors.pipeline.config.connector import ConnectorConfig, load_config
from connectors.pipeline.publish.keyring import Keys
from connectors.pipeline.run.pipeline import gate
from hub.desk.book import Book, CustodyEntry, Grant, Objection, Withdrawal
from hub.desk.config import desk_settings
from hub.desk.offer import Direction, offered
from hub.desk.records import Household, OwnRecords
from hub.desk.signing import Signed, new_process, sign, standing, withdrawals_of
from hub.desk.table import SigningTable
from hub.desk.texts import ConsentText
from hub.desk.ticks import Ticks
from hub.domain.agencies import ROLES_BY_KIND
from hub.domain.consent import Consent
from hub.errors import UsageError
from hub.policy.compiled import Policy
from hub.policy.control import Custody, Statement
from hub.policy.facts import Sender
from hub.policy.gate import Declared


@dataclass(frozen=True, slots=True)
class Family:
    """A household at the desk, with every consent of it that this agency knows and who objected (§ 76 SGB X)."""

    household: Household
    standing: tuple[Consent, ...]
    objected: frozenset[str] = field(repr=False)

    def consent(self, consent_id: str) -> Consent | None:
        return next((one for one in self.standing if one.id == consent_id), None)


@dataclass(frozen=True, slots=True)
class Desk:
    """The desk of one agency; `others` are the agencies that receive and send, with the roles that they declared."""

    config: ConnectorConfig
    records: ConnectorConfig  # of the connector that reads the agency's system
    keys: Keys = field(repr=False)
    policy: Policy = field(repr=False)
    others: Mapping[str, tuple[Declared, ...]]

    @classmethod
    def open(cls, path: Path, keys: Keys) -> "Desk":
        """The desk of this configuration file, under the policy of the agency's own gate; raises ConfigurationError."""
        config = load_config(path)
        records = load_config(desk_settings(config).records)
        others: dict[str, tuple[Declared, ...]] = {}
        for role in config.recipients:
            declared = Declared(role.controller, role.kind, role.role, role.undertaking)
            others[role.controller] = (*others.get(role.controller, ()), declared)
        return cls(config, records, keys, gate(records).policy, others)

    def directions(self) -> tuple[Direction, ...]:
        """From here to every other agency, and back: one form lies in both offices."""
        own, kind = self.config.agency, self.config.agency_kind
        mine = tuple(Declared(own, kind, role, undertaking=False) for role in ROLES_BY_KIND[kind])
        here = Sender(controller=own, kind=kind)
        pairs = [
            (
                Direction(here, other, roles[0].kind, roles),
                Direction(Sender(controller=other, kind=roles[0].kind), own, kind, mine),
            )
            for other, roles in self.others.items()
        ]
        return tuple(one for pair in pairs for one in pair)

    def offered(self, direction: Direction, at: datetime) -> tuple[str, ...]:
        return offered(self.policy, direction, at)

    def family(self, case: str, now: datetime) -> Family | None:
        """The family of this case as it is known now; None when nobody is known in it."""
        records = OwnRecords(self.records, self.keys)
        with closing(records):
            household = records.household(case, now)
        if household is None:
            return None
        with closing(self.book()) as book:
            known = standing(household, book.grants(household.id), book.withdrawals(household.id))
            objections = book.objections(household.id)
            household = _with_custody(household, book.custodies(household.id), now)
        refs = {member.id: member.ref for member in household.members}
        objected = frozenset(refs[o.person_id] for o in objections if "76" in o.norm and o.person_id in refs)
        return Family(household, tuple(known), objected)

    def table(self, family: Family, now: datetime) -> SigningTable:
        """The signing table of this family."""
        return SigningTable(self.policy, family.household, now, family.objected)

    def sign(
        self, family: Family, ticks: Ticks, directions: Iterable[Direction], text: ConsentText, now: datetime
    ) -> Signed:
        """Write what was signed into the book; what it replaces ends in the same moment. Raises UsageError."""
        process = new_process(secrets.choice)
        signed = sign(family.household, ticks, tuple(directions), text, now, family.standing, process)
        with closing(self.book()) as book:
            book.enter(signed.entries, now, [(signed.proof, signed.process, signed.said)])
        return signed

    def withdraw(
        self,
        family: Family,
        consent_ids: Iterable[str],
        now: datetime,
        *,
        scope: Mapping[str, frozenset[str]] | None = None,
        reason: str = "",
    ) -> int:
        """Take these consents back, whole or in part; raises UsageError for one that is not this family's."""
        wanted = list(dict.fromkeys(consent_ids))
        found = [one for one in family.standing if one.id in wanted]
        if len(found) < len(wanted) or not found:
            raise UsageError(
                "no such consent of this family", place="consent desk", remedy="see hub consent list"
            )
        entries = withdrawals_of(family.household, found, now, reason, new_process(secrets.choice), scope)
        with closing(self.book()) as book:
            book.enter(entries, now)
        return len(entries)

    def withdraw_by_number(
        self, family: Family, consent_ids: Iterable[str], now: datetime, reason: str = ""
    ) -> int:
        """Take back what was signed at another agency, by the numbers on the family's copy (`AGENCY:NUMBER` where both
        count alike): whoever brings the paper is heard. Which member a number is of stands at the other agency, and a
        withdrawal ends its author's consents alone; so each member is said to take it back."""
        number = new_process(secrets.choice)
        named = list(dict.fromkeys(consent_ids))
        entries = [
            Withdrawal(
                f"{one}:{number}:{place}", one, member.id, family.household.id, (), (), (), reason, now
            )
            for one in named
            for place, member in enumerate(family.household.members)
        ]
        with closing(self.book()) as book:
            book.enter(entries, now)
        return len(named)

    def object_to(self, family: Family, ref: str, now: datetime, norm: str = "§ 76 SGB X") -> str:
        """Record one person's objection; raises UsageError for somebody else."""
        member = family.household.member(ref)
        if member is None:
            raise UsageError("no such person in this family", place="consent desk", remedy="name a member")
        entry = Objection(f"O-{new_process(secrets.choice)}", member.id, family.household.id, norm, "", now)
        with closing(self.book()) as book:
            book.enter([entry], now)
        return entry.objection_id

    def record_custody(
        self, family: Family, child: str, custodians: Iterable[str], since: datetime, now: datetime
    ) -> str:
        """Record who holds custody of a child from `since` on, by the agency's own numbers; where none is
        named, nobody does. Raises UsageError for somebody who is not of this family."""
        member = family.household.member(child)
        if member is None:
            raise UsageError("no such person in this family", place="consent desk", remedy="name a member")
        held = tuple(dict.fromkeys(one.strip() for one in custodians))
        if any(not one or "," in one for one in held):
            raise UsageError(
                "a custodian has no number", place="consent desk", remedy="name the agency's own number"
            )
        number = f"S-{new_process(secrets.choice)}"
        with closing(self.book()) as book:
            book.enter([CustodyEntry(number, member.id, family.household.id, held, since)], now)
        return number

    def grants(self) -> tuple[list[Grant], list[Withdrawal]]:
        """Everything that stands in the book."""
        with closing(self.book()) as book:
            return book.grants(), book.withdrawals()

    def proof(self, process: str) -> str | None:
        with closing(self.book()) as book:
            return book.proof(process)

    def book(self) -> Book:
        return Book(desk_settings(self.config).book)


def _with_custody(household: Household, entries: Iterable[CustodyEntry], now: datetime) -> Household:
    """The household with the custody that the desk has recorded; a custodian who is not of it is somebody else."""
    refs = {member.id: member.ref for member in household.members}
    lists: defaultdict[str, list[Custody]] = defaultdict(list)
    for entry in entries:
        held = tuple(refs.get(one, f"outside {one}") for one in entry.custodians)
        lists[entry.person_id].append(Statement("", entry.since, held))
    members = tuple(member.with_custody(lists[member.id], now) for member in household.members)
    return replace(household, members=members)
