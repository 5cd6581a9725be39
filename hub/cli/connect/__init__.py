"""`hub connect`: an agency's connectors. Each verb has credentials for its own topics and keys only, or none at all."""

from hub.cli.connect.alias import app as alias
from hub.cli.connect.backfill import backfill
from hub.cli.connect.candidates import candidates
from hub.cli.connect.check import check
from hub.cli.connect.discover import discover
from hub.cli.connect.init import init
from hub.cli.connect.key import app as key
from hub.cli.connect.new import new
from hub.cli.connect.pause import pause, resume
from hub.cli.connect.preview import preview
from hub.cli.connect.quarantine import app as quarantine
from hub.cli.connect.run import run
from hub.cli.connect.schema import schema
from hub.cli.connect.shadow import shadow
from hub.cli.connect.status import accept, reject, status
from hub.cli.connect.support import support_bundle
from hub.cli.language import AgencyTyper

app = AgencyTyper(help="Die Seite des Amtes: Quellen lesen, Sichten zurückschreiben.")
for verb in (
    init,
    discover,
    schema,
    check,
    preview,
    shadow,
    candidates,
    run,
    status,
    backfill,
    pause,
    resume,
    accept,
    reject,
    support_bundle,
    new,
):
    app.command()(verb)
app.add_typer(quarantine, name="quarantine")
app.add_typer(key, name="key")
app.add_typer(alias, name="alias")

__all__ = ["app"]
