"""`hub demo`: the whole way on two synthetic agencies, explained."""

import shlex
import signal
import socket
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from itertools import chain, count
from pathlib import Path
from typing import Annotated, Any

import typer

from hub.cli.output import AsJson, called_as, print_commands, print_json, print_lines, progress
from hub.dev.demo import DAYS, Demo, explained
from hub.errors import UsageError

LOOPBACK = "127.0.0.1"


def demo(
    families: Annotated[int, typer.Option(min=1, help="Wie viele Familien die beiden Ämter haben.")] = 20,
    seed: Annotated[int, typer.Option(help="Derselbe Startwert gibt dieselben Zahlen.")] = 1,
    serve: Annotated[
        bool, typer.Option("--serve", help="Danach die gemeinsame Sicht im Browser zeigen.")
    ] = False,
    keep: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Alles in diesem leeren Ordner lassen, um dort nachzusehen."),
    ] = None,
    port: Annotated[int, typer.Option(help="Anschluss für --serve, nur auf diesem Rechner.")] = 8080,
    as_json: AsJson = False,
) -> None:
    """Zwei erfundene Ämter, fünf Tage, der ganze Weg: lesen, entscheiden, zeigen. Ohne Server und Netz."""
    began = time.perf_counter()
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # what was opened is let go first
    if serve:
        _require_free(port)
    with ExitStack() as stack:
        folder = _folder(keep) or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hub-demo-")))
        with progress("Zwei Ämter arbeiten fünf Tage lang", total=DAYS) as step:
            shown = Demo(folder, families, seed)
            stack.callback(shown.close)
            shown.run(lambda _: step(1))
        if keep:
            shown.leave_settings()
        found = _found(shown, time.perf_counter() - began)
        if as_json:
            print_json(found)
        else:
            print_lines(_told(found, families))
            print_commands(_next(found["explained"], families, seed, keep, serve=serve))
        if serve:
            _serve(shown, port)


def _require_free(port: int) -> None:
    """Raises UsageError before the work begins where the pages could not be served after it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
        try:
            probe.bind((LOOPBACK, port))
        except (OSError, OverflowError):
            raise UsageError(
                f"port {port} cannot be used", place="--port", remedy="name one that is free, as --port 8081"
            ) from None


def _folder(keep: Path | None) -> Path | None:
    """The folder to be kept, made where it is missing; raises UsageError when something is in it."""
    if keep is None:
        return None
    keep.mkdir(parents=True, exist_ok=True)
    if any(keep.iterdir()):
        raise UsageError("the folder is not empty", place="--keep", remedy="name a new one")
    return keep.resolve()


def _found(shown: Demo, seconds: float) -> dict[str, Any]:
    stayed = shown.never_published()
    return shown.counts() | {
        "never_published": len(stayed),
        "explained": explained(shown.parts, stayed[0]) if stayed else None,
        "seconds": round(seconds, 2),
    }


def _told(found: dict[str, Any], families: int) -> list[str]:
    """The counts and one withheld event in plain German; each line says what it counts."""
    rules = ", ".join(f"{rule} {count}" for rule, count in found["withheld"].items()) or "nichts"
    lines = [
        f"Zwei erfundene Ämter, {families} Familien, {DAYS} Tage.",
        "",
        f"  gelesen           {found['read']:>6}  Zeilen aus Datenbank und CSV-Abzügen, jedes Lesen gezählt",
        f"  geprüft           {found['events']:>6}  Ereignisse daraus, nach jeder neuen Einwilligung noch einmal",
        f"  veröffentlicht    {found['published']:>6}  davon, versiegelt",
        f"  zurückgehalten    {sum(found['withheld'].values()):>6}  davon, nach Regel: {rules}",
        f"  nie veröffentlicht{found['never_published']:>6}  verschiedene Ereignisse: am Ende im Amt geblieben",
        f"  zugelassen        {found['admitted']:>6}  der veröffentlichten, vom Hub nochmals geprüft",
        f"  angehalten        {found['held']:>6}  der veröffentlichten, warten am Ende noch",
        f"  in Quarantäne     {sum(found['quarantined'].values()):>6}  der veröffentlichten, nicht lesbar",
        f"  doppelt           {found['duplicates']:>6}  der veröffentlichten, ohne Wirkung",
        f"  gemeinsame Fälle  {found['joint_cases']:>6}  Akten mit gemeinsamer Sicht; eine Familie kann mehrere haben",
        f"  Offenlegungen     {found['disclosures']:>6}  Einträge im Register: Person, Absender, Empfänger",
        f"  Widerrufe         {found['withdrawals']:>6}  von Einwilligungen, ganz oder zum Teil",
    ]
    if found["explained"]:
        lines += ["", "Ein Ereignis, das bis zum Schluss im Amt blieb:", *_sentences(found["explained"])]
    return [*lines, "", f"{found['seconds']} Sekunden."]


def _next(
    event: dict[str, Any] | None, families: int, seed: int, keep: Path | None, *, serve: bool
) -> dict[str, str]:
    """Two or three commands to try next, as they can be copied into the same folder: command → its effect."""
    hub = called_as()
    same = f"{hub} demo --families {families} --seed {seed}"
    found = {} if serve else {f"{same} --serve": "Die gemeinsame Sicht im Browser"}
    folder = shlex.quote(str(keep)) if keep else _unused("probe")
    made = "" if keep else f"{same} --keep {folder} && "
    if event:
        found[f"{made}(cd {folder} && {hub} --lang de explain {event['event_id']})"] = (
            "Der ganze Weg dieses Ereignisses"
        )
    if keep:
        found[f"(cd {folder} && {hub} --lang de audit verify)"] = (
            "Nachrechnen, ob alles Weitergegebene gedeckt war"
        )
    return found


def _unused(name: str) -> str:
    """A name for a folder that does not exist here."""
    return next(one for one in chain([name], (f"{name}-{n}" for n in count(2))) if not Path(one).exists())


def _sentences(explained: dict[str, Any]) -> list[str]:
    lines = [
        f"  {explained['event_type']} {explained['event_id']}",
        f"  blieb im Amt ({explained['place']}).",
    ]
    for reason in explained["reasons"]:
        lines += [
            f"  {reason['rule']} ({reason['norm']}):",
            f"  {reason['text']}.",
            f"  Betroffen: {', '.join(reason['fields'])}.",
        ]
    return lines


def _serve(shown: Demo, port: int) -> None:
    from hub.dev.demo_serve import LiveDemo, address

    live = LiveDemo(shown, port)
    where = f"{address(port)}  Einwilligung am Tisch: {address(port)}desk"
    with suppress(KeyboardInterrupt):
        live.run(
            lambda: print(
                f"{where}\n(nur auf diesem Rechner, nur erfundene Daten; Ende mit Strg-C)", file=sys.stderr
            )
        )
