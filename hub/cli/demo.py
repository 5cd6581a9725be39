"""`hub demo`: the whole way on two synthetic agencies, explained."""

import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from connectors.pipeline.run.report import Withheld
from hub.cli.output import AsJson, print_json, print_lines, progress
from hub.dev.demo import DAYS, Demo, explained
from hub.errors import UsageError


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
        if serve:
            _serve(shown, port)


def _folder(keep: Path | None) -> Path | None:
    """The folder to be kept, made where it is missing; raises UsageError when something is in it."""
    if keep is None:
        return None
    keep.mkdir(parents=True, exist_ok=True)
    if any(keep.iterdir()):
        raise UsageError("the folder is not empty", place="--keep", remedy="name a new one")
    return keep.resolve()


def _found(shown: Demo, seconds: float) -> dict[str, Any]:
    example = shown.outcome.examples[0] if shown.outcome.examples else None
    return shown.counts() | {"explained": _explained(shown, example), "seconds": round(seconds, 2)}


def _explained(shown: Demo, example: Withheld | None) -> dict[str, Any] | None:
    return None if example is None else explained(shown.parts, example)


def _told(found: dict[str, Any], families: int) -> list[str]:
    """What happened, in plain German."""
    withheld = ", ".join(f"{rule} {count}" for rule, count in found["withheld"].items()) or "nichts"
    lines = [
        f"Zwei erfundene Ämter, {families} Familien, {DAYS} Tage.",
        "",
        f"  gelesen           {found['read']:>6}  Zeilen aus Datenbank und CSV-Abzügen",
        f"  daraus Ereignisse {found['events']:>6}",
        f"  veröffentlicht    {found['published']:>6}  versiegelt",
        f"  zurückgehalten    {sum(found['withheld'].values()):>6}  im Amt geblieben: {withheld}",
        f"  zugelassen        {found['admitted']:>6}  vom Hub nochmals geprüft",
        f"  angehalten        {found['held']:>6}",
        f"  in Quarantäne     {sum(found['quarantined'].values()):>6}",
        f"  doppelt           {found['duplicates']:>6}",
        f"  gemeinsame Fälle  {found['joint_cases']:>6}",
        f"  Offenlegungen     {found['disclosures']:>6}  jede im Register",
        f"  Widerrufe         {found['withdrawals']:>6}",
    ]
    if found["explained"]:
        lines += ["", "Ein zurückgehaltenes Ereignis, erklärt:", *_sentences(found["explained"])]
    return [*lines, "", f"{found['seconds']} Sekunden. Im Browser: hub demo --serve"]


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
