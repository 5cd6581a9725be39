"""What the verbs of an agency's side share: the time, and the agency's own key."""

import secrets
from pathlib import Path
from typing import Annotated

import typer

from connectors.pipeline.config.connector import ConnectorConfig
from connectors.pipeline.publish.keyring import SECRET_SIZE, Keys, agency_keys
from connectors.pipeline.run.pipeline import kind
from connectors.pipeline.state.state import State
from hub.adapters.clocks import FileClock, SystemClock
from hub.cli.language import message
from hub.cli.messages import warn_of
from hub.domain.identifiers import AgencyKey
from hub.errors import ConfigurationError
from hub.ports import Clock

Config = Annotated[Path, typer.Argument(metavar="CONFIG", help="TOML-Datei des Anschlusses")]


def clock_of(settings: ConnectorConfig) -> Clock:
    """The system's time, or the one that stands in a story's file."""
    return FileClock(settings.clock_file) if settings.clock_file else SystemClock()


def keys_to_look(settings: ConnectorConfig) -> Keys:
    """The agency's own keys, or one for this look alone: the pseudonyms shown are then of no further use."""
    if settings.keys.agency_key_file is None:
        warn_of(message("config.keys.agency_key_file is not set: pseudonyms are for this look alone"))
        return AgencyKey(secrets.token_bytes(SECRET_SIZE))
    return agency_keys(settings.keys.agency_key_file)


def state_beside(settings: ConnectorConfig) -> State:
    """A source's state beside its running process: to look, and to ask. Raises ConfigurationError."""
    if kind(settings).spec.role != "source":
        raise ConfigurationError(
            "is a sink: it keeps no state of this kind", place="config.connector.kind", remedy="name a source"
        )
    if not settings.state.exists():
        raise ConfigurationError(
            "has no state yet", place="config.connector.state", remedy="run it once first"
        )
    return State(settings.state, lambda _: b"", alone=False)
