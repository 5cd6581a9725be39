"""`hub subject`: the rights of the persons whom the data are about (Art. 15, 17, 19 GDPR, §§ 83, 84 SGB X)."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from hub.cli.files import write_new
from hub.cli.language import Message, message, verbatim, word_of
from hub.cli.messages import print_messages
from hub.cli.opened import opened_parts
from hub.cli.output import AsJson, State, print_json
from hub.erasure import completion
from hub.erasure.certificate import genuine, public_key
from hub.erasure.request import request_erasure
from hub.errors import DataError, NoInput
from hub.rights.access import access
from hub.subjects.consent_barrier import require_open

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Rights of data subjects: erasure with proof, access.",
)
Person = Annotated[str, typer.Argument(metavar="AGENCY:PSEUDONYM", help="For example jc-a:p_…")]
Id = Annotated[str, typer.Argument(metavar="NUMBER", help="From `hub subject erasures`.")]
_STATES = {
    "requested": "requested",
    "waiting_for_answers": "executed, answers are missing",
    "completed": "completed",
}


@app.command()
def erase(
    subject: Person,
    norm: Annotated[str, typer.Option(help="Legal basis, for example 'Art. 17 Abs. 1 DSGVO'.")],
    everywhere: Annotated[
        bool, typer.Option("--person", help="At every agency that knows this person.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Request erasure: everything about the person that this agency gave to the hub."""
    with opened_parts() as parts:
        ids = request_erasure(parts, subject, norm, everywhere=everywhere)
    if as_json:
        print_json({"requested": ids})
    else:
        lines = [message("Requested: {}", one) for one in ids]
        goes_on = message("The hub executes it as soon as it runs. State: hub subject erasures")
        print_messages([*lines, goes_on])


@app.command()
def erasures(
    everything: Annotated[bool, typer.Option("--all", help="Completed ones too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Erasures that are still open: who had something, who has not answered yet."""
    with opened_parts() as parts:
        found = [one for one in completion.status(parts) if everything or one["state"] != "completed"]
    if as_json:
        print_json({"erasures": found})
    elif not found:
        print_messages([message("No erasure is open.")])
    else:
        print_messages(line for one in found for line in _lines(one))


def _lines(one: Mapping[str, Any]) -> Iterator[Message]:
    yield verbatim(f"{one['id']}  {word_of(_STATES, one['state'])}")
    yield message("    subject: {}", one["subject"])
    executed = one["executed_at"] or message("not yet")
    yield message("    requested {}, executed {}", one["requested_at"], executed)
    for to in one["recipients"]:
        yield verbatim(f"    {to['recipient']} ({to['role']}): {to['answer'] or message('no answer yet')}")
    if one["executed_at"] and not one["recipients"]:
        yield message("    nobody had received any of it")


@app.command()
def answer(
    erasure: Id,
    recipient: Annotated[str, typer.Option(help="The agency that answered.")],
    text: Annotated[str, typer.Option(help="For example 'in eigener Akte behalten nach § 84 SGB X'.")],
    as_json: AsJson = False,
) -> None:
    """Enter an answer that did not come through the connector."""
    with opened_parts() as parts:
        completion.answer(parts, erasure, recipient, text)
        (found,) = completion.status(parts, [erasure])
    if as_json:
        print_json(found)
    else:
        print_messages([message("Entered. State: {}.", word_of(_STATES, found["state"]))])


@app.command()
def certificate(erasure: Id, as_json: AsJson = False) -> None:
    """The certificate of an erasure (JSON, signed): keys, rows, recipients, answers."""
    del as_json  # a certificate is JSON in any case
    with opened_parts() as parts:
        found = completion.certificate_of(parts, erasure)
    if found is None:
        raise NoInput(
            "there is no executed erasure of this number", place=erasure, remedy="see `hub subject erasures`"
        )
    print_json(found)


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A certificate of erasure.")],
    key: Annotated[str, typer.Option("--key", help="Public key; this hub's own without it.")] = "",
    as_json: AsJson = False,
) -> None:
    """Check whether a certificate of erasure is genuine and unchanged. Exit 1 where it is not."""
    said = _read(file)
    if not key:
        with opened_parts() as parts:
            key = public_key(parts.secret)
    real = genuine(said, key)
    if as_json:
        print_json({"genuine": real, "public_key": key})
    else:
        verdict = message("Genuine and unchanged." if real else "NOT genuine, or changed.")
        print_messages([State(verdict, real), message("Key: {}", key)])
    raise typer.Exit(0 if real else 1)


@app.command()
def export(
    subject: Person,
    out: Annotated[
        Path | None, typer.Option(help="A new file, readable by you only; standard output without it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Access: everything about the person in the hub, and who had any of it (JSON). Holds content."""
    if out is not None and out.exists():  # before anything is opened: opening is recorded
        raise NoInput("file already exists", place=out.name, remedy="choose another path")
    with opened_parts() as parts:
        require_open(parts)
        found = access(parts, subject)
    if out is None:
        print_json(found)
        return
    write_new(out, orjson.dumps(found, option=orjson.OPT_INDENT_2))
    if as_json:
        print_json({"file": str(out), "records": len(found["records"])})
        return
    print_messages([message("Written: {} ({} records).", out, len(found["records"]))])


def _read(file: Path) -> dict[str, Any]:
    try:
        found = orjson.loads(file.read_bytes())
    except OSError:
        raise NoInput("cannot be read", place=file.name, remedy="name a file that exists") from None
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise DataError(
            "this is no certificate",
            reason="unreadable",
            place=file.name,
            remedy="name a file that `hub subject certificate` wrote",
        )
    return found
