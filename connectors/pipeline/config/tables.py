"""The tables of a connector's file, as models: every key that it knows stands here, and nowhere else.

Of what a kind of source or sink has (`[settings]`, further keys of a stream) the kind has models of its own. What names
another part of the file, or says how a value is read, is checked where values are built: `values`, `streams`,
`connector`.
"""

from typing import Annotated, Any, cast

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    SecretStr,
    WithJsonSchema,
    create_model,
)

from connectors.pipeline.config.values import LookedUp, Style, ValueGiven
from hub.file_models import EITHER, TABLE, TEXT, TEXTS_SCHEMA, FileTable, Texts, texts
from schemas import limits

ABSENT = "none"
"""Says of a circumstance that the agency's system does not record it."""

PartGiven = Annotated[Annotated[str, TEXT] | Annotated[LookedUp, TABLE], EITHER]
ReferenceGiven = PartGiven
"""A column, or a column of the rows that a lookup finds."""


class ConditionTable(FileTable):
    column: str
    in_: Texts = Field(default=(), alias="in")
    not_in: Texts = ()
    filled: bool | None = None
    known: Texts = ()


class Times(FileTable):
    """When something happened and holds."""

    occurred_at: ValueGiven | None = None
    valid_from: ValueGiven | None = None
    valid_to: ValueGiven | None = None


class Facts(FileTable):
    """Circumstances that the policy reads, by their names in the envelope."""

    entrusted_by: ValueGiven | None = None
    source_203: ValueGiven | None = None
    objected_76: ValueGiven | None = None
    task_class: ValueGiven | None = None
    connection: ValueGiven | None = None
    merges_with: ValueGiven | None = None
    endangers_help: ValueGiven | None = None
    disputed: ValueGiven | None = None
    addressee: ValueGiven | None = None


class GroundTable(FileTable):
    """The ground that a row itself names: a norm, or the ids of consents. Without it, every consent that the gate
    knows."""

    norm: ValueGiven | None = None
    task_norm: ValueGiven | None = None
    attested_by: ValueGiven | None = None
    consents: ValueGiven | None = None


class EventTable(Times, Facts):
    type: str
    when: list[ConditionTable] = Field(default_factory=list)
    subject: ReferenceGiven | None = None
    case: ReferenceGiven
    ordinal: int = 0
    fields_: dict[str, ValueGiven] = Field(default_factory=dict, alias="fields")
    ground: GroundTable = Field(default_factory=GroundTable)
    purposes: Texts = ("joint_case_management",)


def _listed(raw: Any) -> Any:
    return raw if isinstance(raw, list | tuple) else [raw]


class StreamTable(FileTable):
    """One table or file; further keys belong to the kind of source (file, table, query, version, …)."""

    model_config = ConfigDict(extra="allow")

    key: Annotated[
        list[PartGiven], BeforeValidator(_listed, json_schema_input_type=PartGiven | list[PartGiven])
    ]
    gone: ConditionTable | None = None
    events: list[EventTable] = Field(default_factory=list)
    on_vanish: EventTable | None = None
    unrelated: Texts = ()


class LookupTable(FileTable):
    stream: str
    key: str
    columns: Texts


CIRCUMSTANCES = (
    "entrusted_by",
    "source_203",
    "objected_76",
    "task_class",
    "connection",
    "endangers_help",
    "disputed",
)
"""Those that only narrow a release. A mapping answers each: by a value, or by `ABSENT`."""

_Absent = Annotated[Any, WithJsonSchema({"const": ABSENT})]
CircumstancesTable = cast(
    type[FileTable],
    create_model(
        "CircumstancesTable", __base__=FileTable, **cast(Any, dict.fromkeys(CIRCUMSTANCES, (_Absent, None)))
    ),
)


class AgencyTable(FileTable):
    id: str
    kind: str


class ConnectorTable(FileTable):
    kind: str
    name: str = ""
    state: str
    pseudonyms: str
    interval_seconds: float = 10.0
    batch: int = 1000
    batches_per_step: int = 100
    max_event_bytes: int = limits.MAPPED_BYTES
    register_limit_seconds: float = 900.0
    journal_days: int = 180
    backfill_rows_per_second: int = 100
    policy_files: Texts = ()
    aliases: str = ""
    clock_file: str = ""
    any_code: bool = False


class KeysTable(FileTable):
    agency_key_file: str = ""
    kek_file: str = ""
    database_url: SecretStr = SecretStr("")
    service_url: str = ""
    tls_ca: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    cache_mb: float = 64.0


class LogTable(FileTable):
    bootstrap: str = ""
    path: str = ""
    security: str = "plaintext"
    mechanism: str = "SCRAM-SHA-512"
    user: str = ""
    password_file: str = ""
    ca: str = ""
    cert: str = ""
    key: str = ""


class RoleTable(FileTable):
    controller: str
    kind: str
    role: str
    undertaking: bool = False


def _code(raw: Any) -> str | tuple[str, ...]:
    return raw if isinstance(raw, str) else texts(raw)


CodeGiven = Annotated[str | tuple[str, ...], PlainValidator(_code), WithJsonSchema(TEXTS_SCHEMA)]
"""Our code for one of the agency's, or a list of them."""


class ConnectorFile(FileTable):
    """A connector's file."""

    agency: AgencyTable
    connector: ConnectorTable
    keys: KeysTable = Field(default_factory=KeysTable)
    log: LogTable = Field(default_factory=LogTable)
    settings: dict[str, Any] = Field(default_factory=dict, description="the kind's own", repr=False)
    recipients: list[RoleTable] = Field(default_factory=list)
    defaults: Style = Field(default_factory=Style)
    circumstances: CircumstancesTable = Field(default_factory=CircumstancesTable)  # type: ignore[valid-type]
    codes: dict[str, dict[str, CodeGiven]] = Field(default_factory=dict)
    lookups: dict[str, LookupTable] = Field(default_factory=dict)
    streams: dict[str, StreamTable] = Field(default_factory=dict)
