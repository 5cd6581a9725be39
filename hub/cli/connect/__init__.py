"""`hub connect`: an agency's connectors. Each verb has credentials for its own topics and keys only, or none at all."""

from hub.cli.connect.candidates import candidates
from hub.cli.connect.init import discover, init
from hub.cli.connect.preview import preview
from hub.cli.connect.run import app
from hub.cli.connect.schema import schema
from hub.cli.connect.shadow import shadow

for verb in (candidates, discover, init, preview, schema, shadow):
    app.command()(verb)

__all__ = ["app"]
