"""Puts a connector together from its configuration and the parts of its host; kinds are found by entry point."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from connectors.contract import Sink, Source
from connectors.pipeline.config.connector import ConnectorConfig
from connectors.pipeline.config.kinds import load_kind
from connectors.pipeline.publish.keyring import Keys, first_of, naming, naming_to_look, secrets_of
from connectors.pipeline.publish.pseudonyms import Pseudonyms
from connectors.pipeline.run.pipeline import Connector
from connectors.pipeline.state.state import KeyHash, State
from hub.domain.identifiers import AgencyKey, Naming
from hub.errors import ConfigurationError
from hub.policy.gate import Declared, Gate
from hub.policy.load import load_policy, refuse_strangers
from hub.ports import EventLog, KeyStore


def kind(config: ConnectorConfig) -> Any:
    """The module of the configured kind: `spec` and `build`; raises ConfigurationError."""
    return load_kind(config.kind)


def build_source(
    config: ConnectorConfig, own: Keys, keys: KeyStore, log: EventLog, policy_files: Sequence[Path] = ()
) -> Connector:
    """A source connector, its own files opened; raises ConfigurationError or TryAgain (another one is running).

    `own` are the agency's keys. `policy_files` are the hub's, where the connector is told of them; its own stand in
    its configuration.
    """
    module = kind(config)
    if module.spec.role != "source":
        raise ConfigurationError("is no source", place="config.connector.kind", remedy="run it as a sink")
    judge, local = gate(config, policy_files), first_of(own)
    table = Pseudonyms(config.pseudonyms)
    named = naming(own, table)
    state = State(config.state, key_hash(local))
    source = module.build(config, state, local)
    return Connector(
        config, source, named, state=state, pseudonyms=table, keys=keys, log=log, judge=judge
    )  # fmt: skip


def key_hash(key: AgencyKey) -> KeyHash:
    """How a state hides the agency's own row keys."""
    return lambda row_key: key.row_hash(b"key" + row_key.encode())


def source_to_look_at(config: ConnectorConfig, state: State, key: AgencyKey) -> Source:
    """The source alone, for looking: a kind that moves files (it has `look` beside `build`) then moves none.

    Raises ConfigurationError.
    """
    module = kind(config)
    if module.spec.role != "source":
        raise ConfigurationError("is no source", place="config.connector.kind", remedy="name a source")
    source: Source = getattr(module, "look", module.build)(config, state, key)
    return source


@contextmanager
def looking_names(config: ConnectorConfig, keys: Keys) -> Iterator[Naming]:
    """Who names whom, beside the running connectors; nothing is made or marked. Raises ConfigurationError."""
    table = (
        Pseudonyms(config.pseudonyms)
        if not isinstance(keys, AgencyKey) and config.pseudonyms.exists()
        else None
    )
    try:
        yield naming_to_look(keys, table)
    finally:
        if table is not None:
            table.close()


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


def secret_of(path: Path | None, place: str) -> bytes:
    """32 bytes written in base64; raises ConfigurationError."""
    found, *more = secrets_of(path, place)
    if more:
        raise ConfigurationError("holds more than one key", place=f"config.{place}", remedy="keep one line")
    return found
