"""The command `hub`: one thin file per verb group."""

import sys

from hub.errors import HubError


def main() -> None:
    """Run the command; every HubError becomes its message on standard error and its exit code."""
    from hub.cli.app import app

    try:
        app()
    except HubError as error:
        print(f"hub: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None
