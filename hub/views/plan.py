"""The view plan: which views a joint case owes to whom, for how long, and whether the last one still holds. Pure."""

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import orjson

from hub.domain.agencies import Agency
from hub.domain.clock import berlin_day, berlin_midnight, micros
from hub.parts import Parts
from hub.policy.facts import Recipient
from hub.store.evidence import FieldsGround, Release
from hub.store.views import DisclosureRow, ViewKey, ViewRow
from hub.subjects.knowledge import Knowledge
from hub.views.case_file import CaseFile
from hub.views.record import VIEW_PART, Draft, in_own_order, part_content
from hub.views.redaction import NOTHING, Openable, Question, RedactedView, ViewPart, redact
from schemas.wire import MARKER


def shown_until(
    now: datetime,
    lease: int,
    shown: Sequence[ViewPart],
    known: Iterable[Knowledge],
    policy_changes: date | None = None,
) -> datetime:
    """The lease, or what ends before it by time alone: a consent that runs out, a birthday that changes who signs, the
    day on which another policy holds.

    Only consents that count for what is shown are asked, and birthdays of those of whom something rests on one: the end
    of any other consent would tell that there is one.
    """
    resting = {part.person for part in shown if part.consents}
    ends = [c.valid_until for part in shown for c in part.consents if c.valid_until]
    if policy_changes is not None:
        ends.append(berlin_midnight(policy_changes))
    for knowledge in known:
        if knowledge.person in resting:
            ends += knowledge.moments()
    return min([now + timedelta(seconds=lease), *(end for end in ends if end > now)])


PURPOSE = "joint_case_management"
_REMOVAL_LIFE = timedelta(days=7)
_NOT_SHOWN = ("pending", "late")  # states of a view of which nobody knows, or which is known not, to be shown
_LONG = MARKER + VIEW_PART.fingerprint
Before = Mapping[ViewKey, ViewRow]


@dataclass(frozen=True, slots=True)
class ViewPlan:
    """One round's surroundings."""

    parts: Parts
    before: Before
    generation: int
    now: datetime
    openable: Openable = field(default_factory=dict, repr=False)

    def drafts(self, file: CaseFile) -> list[Draft]:
        """The views that must be delivered; what is still right is left out."""
        asked = {one for agency in self._knowing(file) for one in units(agency, file)}
        asked |= {(to, role, worker) for joint, to, role, worker in self.before if joint == file.joint_case}
        agencies = self.parts.agencies
        found = (self._draft(file, agencies[to], *whom) for to, *whom in sorted(asked) if to in agencies)
        return [one for one in found if one]

    def removals(self, file: CaseFile) -> list[Draft]:
        """What takes away every view that somebody may have of a case of which none can be built."""
        found = (
            self._new(file, to, role, worker, NOTHING)
            for joint, to, role, worker in sorted(self.before)
            if joint == file.joint_case
        )
        return [one for one in found if one]

    def _knowing(self, file: CaseFile) -> list[Agency]:
        return [agency for agency in self.parts.agencies.values() if file.case_of(agency.id)]

    def _draft(self, file: CaseFile, agency: Agency, role: str, worker: str) -> Draft | None:
        return self._new(file, agency.id, role, worker, self._redacted(file, agency, role, worker))

    def _new(
        self, file: CaseFile, recipient: str, role: str, worker: str, made: RedactedView
    ) -> Draft | None:
        before = self.before.get((file.joint_case, recipient, role, worker))
        if not made.parts and (before is None or (before.removed and before.state != "pending")):
            return None
        until = (
            shown_until(self.now, self.parts.lease, made.parts, file.known.values(), self._policy_changes())
            if made.parts
            else self.now + _REMOVAL_LIFE
        )
        contents = [part_content(part, made) for part in made.parts]
        mac = _mac(self.parts.secret, made, contents)
        if before and made.parts and self._still_right(before, mac, micros(until)):
            return None
        case_ref = file.case_of(recipient) or (before.case_ref if before else "")
        version = before.version + 1 if before else 1
        tell = before is not None and not before.removed and not before.value.startswith(_LONG)
        return Draft(
            made,
            contents,
            file,
            recipient,
            role,
            worker,
            case_ref,
            secrets.token_bytes(16),
            self.generation,
            version,
            micros(self.now),
            micros(until),
            mac,
            tell,
        )

    def _redacted(self, file: CaseFile, agency: Agency, role: str, worker: str) -> RedactedView:
        """A staging table shows what comes from elsewhere: the agency's own data stand in its own system already."""
        question = Question(unit(agency, role, worker, file), PURPOSE, self.now, self.openable)
        policy, agencies = self.parts.gate.policy, self.parts.agencies
        made = redact(policy, agencies, question, file.evidence, file.known, file.names, beside=agency.id)
        return in_own_order(self.parts.secret, agency.id, made, file)

    def _policy_changes(self) -> date | None:
        return self.parts.gate.policy.changes_after(berlin_day(self.now))

    def _still_right(self, before: ViewRow, mac: str, not_after: int) -> bool:
        """The same content was delivered, and its lease has more than half of its time to go or cannot be longer; one
        that is too long by now is no longer right."""
        if (
            before.removed
            or before.state in _NOT_SHOWN
            or before.content_mac != mac
            or before.not_after > not_after
        ):
            return False
        left = before.not_after - micros(self.now)
        return left >= self.parts.lease * 500_000 or before.not_after >= not_after


def units(agency: Agency, file: CaseFile) -> Iterable[tuple[str, str, str]]:
    """(agency, role, worker) of every view that may be owed. A coordinator is always named (domain D), so each worker
    whom any consent names has a view of their own: what others see, or nobody, makes no difference to it."""
    named = {
        worker
        for knowledge in file.known.values()
        for consent in knowledge.consents
        if agency.id in consent.recipients
        for worker in consent.recipient_workers
    }
    for role in agency.roles:
        for worker in named if role == "coordinator" else ("",):
            yield agency.id, role, worker


def unit(agency: Agency, role: str, worker: str, file: CaseFile) -> Recipient:
    """The unit, or its named worker, as a recipient: assigned while its agency has the case."""
    return Recipient(
        controller=agency.id,
        kind=agency.kind,
        role=role,
        worker=worker or None,
        assigned=file.case_of(agency.id) is not None,
        undertaking=agency.undertaking,
    )


def view_row(draft: Draft, value: bytes) -> ViewRow:
    """The view as the store keeps it until its delivery is confirmed."""
    return ViewRow(
        draft.file.joint_case,
        draft.recipient,
        draft.role,
        draft.worker,
        draft.view_id.hex(),
        draft.case_ref,
        draft.generation,
        draft.version,
        "pending",
        not draft.made.parts,
        draft.mac,
        draft.as_of,
        draft.not_after,
        draft.file.epochs,
        value,
    )


def disclosure_rows(draft: Draft, policy_version: str) -> Iterable[DisclosureRow]:
    """One entry of the disclosure register per person and sender of whom anything is released."""
    epochs = {knowledge.person: knowledge.epoch for knowledge in draft.file.known.values()}
    for part in _releasing(draft):
        yield DisclosureRow(
            draft.view_id.hex(),
            part.person,
            part.sender,
            draft.recipient,
            draft.role,
            draft.file.joint_case,
            PURPOSE,
            ",".join(part.fields),
            ",".join(part.grounds),
            policy_version,
            epochs.get(part.person, 0),
            draft.as_of,
        )


def grounds(draft: Draft) -> Iterable[tuple[Release, Sequence[FieldsGround]]]:
    """What each field of each of those entries rests on."""
    for part in _releasing(draft):
        yield (draft.view_id.hex(), part.person, part.sender), part.covered


def _releasing(draft: Draft) -> Iterable[ViewPart]:
    """Without those that only say that records could not be opened."""
    return (part for part in draft.made.parts if part.entries)


def _mac(secret: bytes, made: RedactedView, contents: Sequence[bytes]) -> str:
    """Whether a view says the same as the last one, without keeping what it says."""
    said = hmac.new(secret, digestmod=hashlib.sha256)
    for part, content in zip(made.parts, contents, strict=True):
        said.update(orjson.dumps([part.person, part.sender, len(content)]))
        said.update(content)
    return said.hexdigest()[:32]
