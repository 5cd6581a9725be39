"""`hub consent show`: what became of a consent, asked of the hub: who had what, was told when, answered what."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import typer

from hub.cli.connect.words import label
from hub.cli.language import Message, message, spoken, verbatim, word_of
from hub.cli.messages import print_messages
from hub.cli.opened import opened_parts
from hub.cli.output import print_json, rfc3339, rfc3339_of
from hub.domain.clock import moment
from hub.domain.consent import Consent
from hub.rights.consent_history import ConsentStory, Receipt, consent_stories
from hub.web.wording import day_text, moment_text, speaking

_ANSWERS = {
    "deleted": "deleted",
    "shown": "replaced by the new, narrower view",
    "hidden": "hidden",
    "superseded": "already replaced by a later view",
    "late": "came after its end and was no longer shown",
    "waiting": "could not be entered there and waits; what it replaces is taken away",
}


def show_story(consent_id: str, *, as_json: bool) -> None:
    """Print what became of every consent with this number, of whichever agency; exit 1 where the hub knows none or can
    no longer read it."""
    with opened_parts() as parts:
        stories = consent_stories(parts, consent_id)
    if as_json:
        print_json({"id": consent_id, "known": bool(stories), "consents": [_found(one) for one in stories]})
    else:
        with speaking(spoken()):
            print_messages(all_told(stories))
    if not stories:
        raise typer.Exit(1)


def all_told(stories: Sequence[ConsentStory]) -> Iterator[Message]:
    """The stories in sentences, each consent named by its number and its agency."""
    if not stories:
        yield message("The hub does not know this number, or the proof can no longer be read.")
    if len(stories) > 1:
        named = ", ".join(f"{one.consent.recorded_by}:{one.consent.number}" for one in stories)
        yield message("{} consents bear this number: {}.", len(stories), named)
    for story in stories:
        yield from told(story)


def told(story: ConsentStory) -> Iterator[Message]:
    """The story in sentences."""
    one = story.consent
    recipients = ", ".join(sorted(one.recipients))
    yield message("Consent {} ({}): {} to {}.", one.number, one.recorded_by, one.sender, recipients)
    yield message("Scope: {}.", _labels("categories", one.categories))
    yield message("Purpose: {}.", _labels("purposes", one.purposes))
    yield _given(one, str(story.told.get("language") or ""))
    if one.recipient_workers:
        yield message("For these workers only: {}.", ", ".join(sorted(one.recipient_workers)))
    if not story.signed:
        yield message("A signature is missing: until then it opens nothing.")
    if story.objected:
        yield message("The person objected under § 76 SGB X.")
    yield from _endings(one)
    for receipt in story.receipts:
        yield from _sentences(receipt)
    if not story.receipts:
        yield message("Nothing was shown on this ground.")


def _labels(kind: str, codes: Iterable[str]) -> str:
    return ", ".join(label(kind, code) for code in sorted(codes))


def _given(one: Consent, language: str) -> Message:
    at = moment_text(one.granted_at)
    until = message(", valid until {}", day_text(one.valid_until)) if one.valid_until else ""
    text = message("Text {}, language {}.", one.text_version, language)
    if not language:
        text = message("Text {}.", one.text_version)
    return message("Granted on {}{}. {}", at, until, text)


def _endings(one: Consent) -> Iterator[Message]:
    if one.withdrawn_at:
        yield message("Withdrawn on {}, as a whole.", moment_text(one.withdrawn_at))
    for part in one.scoped_withdrawals:
        named = [
            _labels("categories", part.categories),
            _labels("purposes", part.purposes),
            *sorted(part.recipients),
        ]
        yield message("Withdrawn on {}, in part: {}.", moment_text(part.at), ", ".join(filter(None, named)))


def _sentences(receipt: Receipt) -> Iterator[Message]:
    since = moment_text(moment(receipt.since))
    yield message("{}, {}: had since {}", receipt.recipient, label("roles", receipt.role), since)
    yield message("  {}", ", ".join(receipt.fields))
    if receipt.told_at is None:
        yield message("  and still has it.")
        return
    if receipt.still:
        yield message("  and still has {}.", ", ".join(receipt.still))
    yield message("  Notified of the end: {}.", moment_text(moment(receipt.told_at)))
    if receipt.answered_at:
        at = moment_text(moment(receipt.answered_at))
        yield message("  Answer on {}: {}.", at, answer_text(receipt.answer))
    else:
        yield message("  Answer: {}.", answer_text(receipt.answer))


def answer_text(answer: str | None) -> Message:
    """The recipient's answer in words; a norm stands behind what is kept."""
    if answer is None:
        return message("none yet")
    code, _, norm = answer.partition(" ")
    if code == "kept" and norm:
        return message("kept in its own file under {}", norm)
    return word_of(_ANSWERS, code) if code in _ANSWERS else verbatim(answer)


def _found(story: ConsentStory) -> dict[str, Any]:
    one = story.consent
    return {
        "id": one.number,
        "recorded_by": one.recorded_by,
        "sender": one.sender,
        "recipients": sorted(one.recipients),
        "recipient_workers": sorted(one.recipient_workers),
        "categories": sorted(one.categories),
        "purposes": sorted(one.purposes),
        "form": one.form,
        "text_version": one.text_version,
        "proof_hash": one.proof_hash,
        "signed": story.signed,
        "objected": story.objected,
        "granted_at": rfc3339_of(one.granted_at),
        "valid_until": rfc3339_of(one.valid_until) if one.valid_until else None,
        "withdrawn_at": rfc3339_of(one.withdrawn_at) if one.withdrawn_at else None,
        "withdrawn_parts": [
            {
                "at": rfc3339_of(part.at),
                "categories": sorted(part.categories),
                "purposes": sorted(part.purposes),
                "recipients": sorted(part.recipients),
            }
            for part in one.scoped_withdrawals
        ],
        **story.told,
        "receipts": [
            {
                "recipient": r.recipient,
                "role": r.role,
                "sender": r.sender,
                "fields": list(r.fields),
                "still": list(r.still),
                "since": rfc3339(r.since),
                "received_at": rfc3339(r.received_at),
                "told_at": rfc3339(r.told_at),
                "answer": r.answer,
                "answered_at": rfc3339(r.answered_at),
            }
            for r in story.receipts
        ],
    }
