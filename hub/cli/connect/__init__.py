"""`hub connect`: an agency's connectors. Each verb has credentials for its own topics and keys only, or none at all."""

from hub.cli.connect.preview import preview
from hub.cli.connect.run import app

app.command("preview")(preview)

__all__ = ["app"]
