"""`hub rehearse FILE|DIR`: a family's story, played through the running parts; what every view showed."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from hub.cli.output import AsJson, State, print_json, print_lines, print_table, progress, rfc3339_of
from hub.domain.clock import BERLIN
from hub.errors import DataError, NoInput
from hub.rehearse.answer import Answer
from hub.rehearse.parse import expects, parse_story
from hub.rehearse.run import Play, Rehearsal, rehearsals

Host = Literal["embedded", "kafka"]
SENTENCE = "Zur Familie können weitere Personen gehören."
_IMPOSSIBLE = DataError.exit_code


def rehearse(
    path: Annotated[
        Path, typer.Argument(metavar="FILE|DIR", help="Geschichte als JSON, oder ein Ordner davon")
    ],
    host: Annotated[
        Host, typer.Option(help="Worüber gespielt wird: Dateien, oder Broker und PostgreSQL.")
    ] = "embedded",
    as_json: AsJson = False,
) -> None:
    """Die Geschichte einer Familie, Schritt für Schritt durch die echten Teile: was jedes Amt gesehen hätte."""
    if path.is_dir():
        _folder(path, host, as_json=as_json)
        return
    story = parse_story(_bytes(path))
    with rehearsals(host) as play:
        played = play(story)
    if as_json:
        print_json(as_object(played))
    else:
        _tell(played)
    if played.misses:
        raise typer.Exit(1)


def _folder(path: Path, host: Host, *, as_json: bool) -> None:
    """Every story of the folder that expects something; an impossible one does not keep others from being played."""
    told: list[dict[str, Any]] = []
    files = sorted(path.glob("*.json"))
    with rehearsals(host) as play, progress("Geschichten", len(files)) as step:
        for file in files:
            told += [{"file": file.name, **entry} for entry in _played(file, play)]
            step(1)
    if as_json:
        print_json(told)
    else:
        _tell_folder(told)
    if any("error" in entry for entry in told):
        raise typer.Exit(_IMPOSSIBLE)
    if any(entry["misses"] for entry in told):
        raise typer.Exit(1)


def _played(file: Path, play: Play) -> Iterator[dict[str, Any]]:
    data = _bytes(file)
    if not expects(data):
        return
    try:
        yield as_object(play(parse_story(data)))
    except DataError as error:
        yield {"views": [], "answers": [], "hits": 0, "misses": 0, "error": str(error)}


def as_object(played: Rehearsal) -> dict[str, Any]:
    """The object of the rehearse contract."""
    return {
        "views": [_view(one) for one in played.answers],
        "answers": [one.told for one in played.work],
        "hits": played.hits,
        "misses": played.misses,
        "host": played.host,
        "seconds": played.seconds,
    }


def _view(one: Answer) -> dict[str, Any]:
    recipient = one.view.recipient
    return {
        "step": one.step,
        "at": rfc3339_of(one.at.astimezone(UTC)),
        "recipient": {
            "controller": recipient.controller,
            "kind": recipient.kind,
            "role": recipient.role,
            "worker": recipient.worker,
            "assigned": recipient.assigned,
            "undertaking": recipient.undertaking,
        },
        "purpose": one.view.purpose,
        "family": one.view.family,
        "persons": one.persons,
        "marks": [list(mark) for mark in one.marks],
        "withheld": one.withheld,
        "models": one.models,
        "hit": not one.differs if one.expected else None,
        "differs": list(one.differs),
    }


def _tell(played: Rehearsal) -> None:
    """A table per view, in plain German."""
    for one in played.answers:
        print_table(_title(one), ("Person", "Ereignis", "Angaben"), _rows(one))
        print_lines(_below(one))
    print_lines([_sum(len(played.answers), played.hits, played.misses), f"{played.seconds} Sekunden."])


def _title(one: Answer) -> str:
    who = one.view.recipient
    worker = f" {who.worker}" if who.worker else ""
    when = one.at.astimezone(BERLIN)
    return f"{when:%d.%m.%Y %H:%M}  {who.role}{worker} ({who.controller}), Familie {one.view.family}"


def _rows(one: Answer) -> list[Sequence[object]]:
    return [
        (ref, event_type, ", ".join(f"{name}: {_plain(value)}" for name, value in entry.items()))
        for ref, types in one.persons.items()
        for event_type, entries in types.items()
        for entry in entries
    ]


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _below(one: Answer) -> Iterator[str | State]:
    if not one.persons:
        yield "  Nichts zu sehen."
    yield f"  {SENTENCE}"
    for ref, codes in one.withheld.items():
        if codes:
            yield f"  Ohne Einwilligung verschlossen ({ref}): {', '.join(codes)}"
    for name, field in one.marks:
        yield f"  Bestritten: {field} in {name}"
    if one.expected:
        yield State(
            f"  Anders als erwartet: {', '.join(one.differs)}" if one.differs else "  Wie erwartet.",
            not one.differs,
        )
    yield ""


def _sum(views: int, hits: int, misses: int) -> str:
    return f"{views} Sichten, {hits} wie erwartet, {misses} anders."


def _tell_folder(told: Sequence[Mapping[str, Any]]) -> None:
    rows = [
        (entry["file"], len(entry["views"]), entry["hits"], _missed(entry), _note(entry)) for entry in told
    ]
    hits, misses = (sum(entry[name] for entry in told) for name in ("hits", "misses"))
    title = f"{len(told)} Geschichten: " + _sum(sum(len(entry["views"]) for entry in told), hits, misses)
    print_table(title, ("Datei", "Sichten", "wie erwartet", "anders", ""), rows)


def _missed(entry: Mapping[str, Any]) -> State:
    return State(str(entry["misses"]), not (entry["misses"] or "error" in entry))


def _note(entry: Mapping[str, Any]) -> str:
    missed = [
        f"steps[{view['step']}]: {', '.join(view['differs'])}" for view in entry["views"] if view["differs"]
    ]
    return str(entry.get("error", "")) or "; ".join(missed)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        raise NoInput("cannot be read", place=path.name, remedy="name a readable file or folder") from None
