"""Puts a connector together from its configuration and the parts of its host; kinds are found by entry point."""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from connectors.runtime.config import ConnectorConfig
from connectors.runtime.kinds import load_kind
from connectors.runtime.ports import Sink, Source
from connectors.runtime.pseudonyms import Pseudonyms
from connectors.runtime.runtime import Connector
from connectors.runtime.state import State
from hub.domain.identifiers import AgencyKey
from hub.errors import ConfigurationError
from hub.policy.gate import Declared, Gate
from hub.policy.load import load_policy, refuse_strangers
from hub.ports import EventLog, KeyStore

SECRET_SIZE = 32


def kind(config: ConnectorConfig) -> Any:
    """The module of the configured kind: `spec` and `build`; raises ConfigurationError."""
    return load_kind(config.kind)


def build_source(
    config: ConnectorConfig, key: AgencyKey, keys: KeyStore, log: EventLog, policy_files: Sequence[Path] = ()
) -> Connector:
    """A source connector, its own files opened; raises ConfigurationError or TryAgain (another one is running).

    `policy_files` are the hub's, where the connector is told of them; its own stand in its configuration.
    """
    module = kind(config)
    if module.spec.role != "source":
        raise ConfigurationError("is no source", place="config.connector.kind", remedy="run it as a sink")
    judge = gate(config, policy_files)
    state = State(config.state, lambda row_key: key.row_hash(b"key" + row_key.encode()))
    source = module.build(config, state, key)
    return Connector(
        config, source, key, state=state, pseudonyms=Pseudonyms(config.pseudonyms), keys=keys, log=log,
        judge=judge,
    )  # fmt: skip


def source_to_look_at(config: ConnectorConfig, state: State, key: AgencyKey) -> Source:
    """The source alone, for looking: a kind that moves files (it has `look` beside `build`) then moves none.

    Raises ConfigurationError.
    """
    module = kind(config)
    if module.spec.role != "source":
        raise ConfigurationError("is no source", place="config.connector.kind", remedy="name a source")
    source: Source = getattr(module, "look", module.build)(config, state, key)
    return source


def build_sink(config: ConnectorConfig, keys: KeyStore, log: EventLog) -> Sink:
    """A sink connector; raises ConfigurationError."""
    module = kind(config)
    if module.spec.role != "sink":
        raise ConfigurationError("is no sink", place="config.connector.kind", remedy="run it as a source")
    sink: Sink = module.build(config, keys, log, Pseudonyms(config.pseudonyms))
    return sink


def gate(config: ConnectorConfig, policy_files: Sequence[Path] = ()) -> Gate:
    """The policy with the recipient roles that the configuration declares, tightened by these files and its own.

    Raises ConfigurationError for a file of its own that names an agency with which it exchanges nothing.
    """
    partners = {role.controller for role in config.recipients}
    refuse_strangers(load_policy(config.policy_files), {config.agency, *partners})
    declared = tuple(Declared(r.controller, r.kind, r.role, r.undertaking) for r in config.recipients)
    return Gate(load_policy([*config.policy_files, *policy_files]), declared)


def agency_key(path: Path | None) -> AgencyKey:
    """The agency's own secret (32 bytes in base64 in a file); there is no default. Raises ConfigurationError."""
    return AgencyKey(secret_of(path, "keys.agency_key_file"))


def secret_of(path: Path | None, place: str) -> bytes:
    """32 bytes written in base64; raises ConfigurationError."""
    try:
        secret = base64.b64decode(path.read_text(encoding="ascii").strip(), validate=True) if path else b""
    except (OSError, ValueError):
        secret = b""
    if len(secret) != SECRET_SIZE:
        raise ConfigurationError(
            f"must name a file with {SECRET_SIZE} bytes in base64",
            place=f"config.{place}",
            remedy="create the key file",
        )
    return secret
