"""`hub consent show`: what became of a consent, asked of the hub: who had what, was told when, answered what."""

from collections.abc import Iterator
from typing import Any

import typer

from hub.cli.opened import opened_parts
from hub.cli.output import print_json, print_lines, rfc3339, rfc3339_of
from hub.domain.clock import moment
from hub.domain.consent import Consent
from hub.stages.consent_story import ConsentStory, Receipt, consent_story
from hub.web.wording import day_text, moment_text, word

_ANSWERS = {
    "deleted": "gelöscht",
    "shown": "durch die neue, engere Sicht ersetzt",
    "hidden": "ausgeblendet",
    "superseded": "schon durch eine spätere Sicht ersetzt",
    "late": "kam nach Ablauf und wurde nicht mehr gezeigt",
    "waiting": "ließ sich dort nicht eintragen und wartet; was sie ersetzt, ist weggenommen",
}


def show_story(consent_id: str, *, as_json: bool) -> None:
    """Print it; exit 1 for a number that the hub does not know or can no longer read."""
    with opened_parts() as parts:
        story = consent_story(parts, consent_id)
    if story is None:
        if as_json:
            print_json({"id": consent_id, "known": False})
        else:
            print_lines(["Diese Nummer kennt der Hub nicht, oder der Nachweis ist nicht mehr lesbar."])
        raise typer.Exit(1)
    if as_json:
        print_json(_found(story))
    else:
        print_lines(told(story))


def told(story: ConsentStory) -> Iterator[str]:
    """The story in German sentences."""
    one = story.consent
    yield f"Einwilligung {one.number} ({one.recorded_by}): {one.sender} an {', '.join(sorted(one.recipients))}."
    yield f"Umfang: {', '.join(word('categories', code) for code in sorted(one.categories))}."
    yield f"Zweck: {', '.join(word('purposes', code) for code in sorted(one.purposes))}."
    until = f", gilt bis {day_text(one.valid_until)}" if one.valid_until else ""
    text = f"Text {one.text_version}" + (
        f", Sprache {story.told['language']}" if story.told.get("language") else ""
    )
    yield f"Erteilt am {moment_text(one.granted_at)}{until}. {text}."
    if one.recipient_workers:
        yield f"Nur für: {', '.join(sorted(one.recipient_workers))}."
    if not story.signed:
        yield "Es fehlt eine Unterschrift: bis dahin öffnet sie nichts."
    if story.objected:
        yield "Die Person hat nach § 76 SGB X widersprochen."
    yield from _endings(one)
    for receipt in story.receipts:
        yield from _sentences(receipt)
    if not story.receipts:
        yield "Es wurde nichts auf dieser Grundlage gezeigt."


def _endings(one: Consent) -> Iterator[str]:
    if one.withdrawn_at:
        yield f"Zurückgenommen am {moment_text(one.withdrawn_at)}, ganz."
    for part in one.scoped_withdrawals:
        named = [*(word("categories", c) for c in sorted(part.categories)),
                 *(word("purposes", p) for p in sorted(part.purposes)), *sorted(part.recipients)]  # fmt: skip
        yield f"Zurückgenommen am {moment_text(part.at)}, zum Teil: {', '.join(named)}."


def _sentences(receipt: Receipt) -> Iterator[str]:
    yield f"{receipt.recipient}, {word('roles', receipt.role)}: hatte seit {moment_text(moment(receipt.since))}"
    yield f"  {', '.join(receipt.fields)}"
    if receipt.told_at is None:
        yield "  und hat es noch."
        return
    if receipt.still:
        yield f"  und hat noch {', '.join(receipt.still)}."
    yield f"  Vom Ende benachrichtigt: {moment_text(moment(receipt.told_at))}."
    answered = f" am {moment_text(moment(receipt.answered_at))}" if receipt.answered_at else ""
    yield f"  Antwort{answered}: {answer_text(receipt.answer)}."


def answer_text(answer: str | None) -> str:
    """The recipient's answer in words; a norm stands behind what is kept."""
    if answer is None:
        return "noch keine"
    code, _, norm = answer.partition(" ")
    return (
        f"in der eigenen Akte behalten nach {norm}" if code == "kept" and norm else _ANSWERS.get(code, answer)
    )


def _found(story: ConsentStory) -> dict[str, Any]:
    one = story.consent
    return {
        "id": one.number, "recorded_by": one.recorded_by, "known": True,
        "sender": one.sender, "recipients": sorted(one.recipients),
        "recipient_workers": sorted(one.recipient_workers), "categories": sorted(one.categories),
        "purposes": sorted(one.purposes), "form": one.form, "text_version": one.text_version,
        "proof_hash": one.proof_hash, "signed": story.signed, "objected": story.objected,
        "granted_at": rfc3339_of(one.granted_at),
        "valid_until": rfc3339_of(one.valid_until) if one.valid_until else None,
        "withdrawn_at": rfc3339_of(one.withdrawn_at) if one.withdrawn_at else None,
        "withdrawn_parts": [
            {"at": rfc3339_of(part.at), "categories": sorted(part.categories), "purposes": sorted(part.purposes),
             "recipients": sorted(part.recipients)} for part in one.scoped_withdrawals
        ],
        **story.told,
        "receipts": [
            {"recipient": r.recipient, "role": r.role, "sender": r.sender, "fields": list(r.fields),
             "still": list(r.still),
             "since": rfc3339(r.since), "received_at": rfc3339(r.received_at), "told_at": rfc3339(r.told_at),
             "answer": r.answer, "answered_at": rfc3339(r.answered_at)} for r in story.receipts
        ],
    }  # fmt: skip
