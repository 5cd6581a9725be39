"""Settings of the REST source: the address, who we are there, how it is asked, and where rows stand in an answer."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from pydantic import Field

from connectors.pipeline.config.connector import ConnectorConfig
from connectors.sources.cursor import Ordering, Version
from connectors.sources.files.settings import Changed, FilesSettings, FileStream, VanishTable, files_settings
from connectors.sources.rest.document import EACH, OUTER, Pointer, column_path, pointer_of
from hub.errors import ConfigurationError
from hub.file_models import FileTable, Texts, checked

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
PAGING = ("none", "link", "next", "cursor", "page", "offset")
TIMEOUT, TRIES, MOST_BYTES = 60.0, 3, 16_000_000
_POINTED = frozenset({"next", "cursor"})
_COUNTED = frozenset({"page", "offset"})
_LONGEST_NUMBER = 20


class PagingTable(FileTable):
    kind: str = "none"
    at: str = ""
    parameter: str = ""
    first: int | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)
    most_pages: int = 10_000


class RequestTable(FileTable):
    path: str
    parameters: dict[str, Any] = Field(default_factory=dict, repr=False)
    rows: str = ""
    total: str = ""
    version: str = ""
    since: str = ""
    optional: Texts = ()
    etag_whole: bool = False


class RestTable(VanishTable):
    url: str = Field(repr=False)
    token_file: str = ""
    token_env: str = ""
    header_name: str = ""
    user: str = Field(default="", repr=False)
    password_file: str = ""
    password_env: str = ""
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    timeout_seconds: float = TIMEOUT
    tries: int = TRIES
    page_bytes: int = MOST_BYTES
    paging: PagingTable = Field(default_factory=PagingTable)
    poll_minutes: float = 15.0
    reconcile_minutes: float = 1440.0
    overlap_seconds: float = 3600.0
    overlap_numbers: int = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Where the interface is and as whom it is asked. Secrets stand in the files and variables named here.

    `header`: in which a token is sent, if not as bearer. `tries`: how often one request is sent before the step ends.
    """

    url: str = field(repr=False)
    token_file: Path | None
    token_env: str
    header: str
    user: str = field(repr=False)
    password_file: Path | None
    password_env: str
    ca_file: Path | None
    cert_file: Path | None
    key_file: Path | None
    timeout: float
    tries: int
    most_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Paging:
    """How one page leads to the next: a Link header, an address or a cursor in the answer (`at`), or counting on."""

    kind: str
    at: Pointer
    parameter: str
    first: int
    fixed: Mapping[str, str]
    most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a stream is asked for. `rows`: the list in an answer; `total`: the number of all rows, where it is told.

    `version` and `since`: column and parameter by which only what changed is asked for. `optional`: columns that a row
    may leave out. `etag_whole`: the first page's ETag stands for all pages.
    """

    path: str
    parameters: Mapping[str, str] = field(repr=False)
    rows: Pointer
    total: Pointer | None
    version: str
    since: str
    optional: frozenset[str]
    etag_whole: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RestSettings:
    """`poll_seconds`: how often is asked; `reconcile_seconds`: how often a stream with a version is read whole."""

    access: Access
    paging: Paging
    poll_seconds: float
    reconcile_seconds: float
    ordering: Ordering
    files: FilesSettings
    endpoints: Mapping[str, Endpoint]


def rest_settings(config: ConnectorConfig) -> RestSettings:
    """The settings of this configuration; raises ConfigurationError."""
    table = checked(RestTable, config.settings, "config.settings")
    endpoints, streams = {}, {}
    for name, stream in config.streams.items():
        own, place = dict(stream.settings), f"config.streams.{name}.request"
        endpoints[name] = _endpoint(checked(RequestTable, own.pop("request", None), place), place)
        streams[name] = replace(stream, settings={**own, "file": endpoints[name].path})
    ordering = Ordering(config.style, table.overlap_seconds, table.overlap_numbers)
    files = files_settings(table, replace(config, streams=streams))
    timed = {name: _timed(one, endpoints[name], ordering) for name, one in files.streams.items()}
    settings = RestSettings(
        access=_access(table, config),
        paging=_paging(table.paging, "config.settings.paging"),
        poll_seconds=60 * table.poll_minutes,
        reconcile_seconds=60 * table.reconcile_minutes,
        ordering=ordering,
        files=replace(files, streams=timed),
        endpoints=endpoints,
    )
    _check(settings)
    for name, read in settings.files.streams.items():
        _check_outer(name, (*read.columns, endpoints[name].version), endpoints[name])
    return settings


def _check_outer(name: str, columns: Iterable[str], endpoint: Endpoint) -> None:
    """Raises ConfigurationError for a column around rows that stand in nothing."""
    around = endpoint.rows.count(EACH)
    for column in columns:
        if column_path(column).count(OUTER) > around:
            raise ConfigurationError(
                f"names {column}, which is around no row",
                place=f"config.streams.{name}",
                remedy='set request.rows to a list in each of a list: "/akten/*/personen"',
            )


def _timed(stream: FileStream, endpoint: Endpoint, ordering: Ordering) -> FileStream:
    """Where rows say by their version when they were changed, `@version` is that time and not the poll's."""
    if not endpoint.version or not stream.stream.by_version:
        return stream
    changed = Changed(endpoint.version, lambda text: _moment(text, ordering), ordering.hour)
    columns = tuple(sorted({*stream.columns, endpoint.version}))
    return replace(stream, columns=columns, changed=changed)


def _moment(text: str, ordering: Ordering) -> int | None:
    found = version_of(text)
    return None if isinstance(found, int) else ordering.order(found)


def version_of(text: str) -> Version:
    """A rising number, or a time as text."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < _LONGEST_NUMBER else text


def plain_access(url: str, *, token_file: Path | None, token_env: str) -> Access:
    """The usual limits, and at most a token. Raises ConfigurationError."""
    return Access(
        url=address(url, "--url"),
        token_file=token_file,
        token_env=token_env,
        header="",
        user="",
        password_file=None,
        password_env="",
        ca_file=None,
        cert_file=None,
        key_file=None,
        timeout=TIMEOUT,
        tries=TRIES,
        most_bytes=MOST_BYTES,
    )


def _access(table: RestTable, config: ConnectorConfig) -> Access:
    def path(name: str) -> Path | None:
        return config.path(name) if name else None

    return Access(
        url=address(table.url),
        token_file=path(table.token_file),
        token_env=table.token_env,
        header=table.header_name,
        user=table.user,
        password_file=path(table.password_file),
        password_env=table.password_env,
        ca_file=path(table.ca_file),
        cert_file=path(table.cert_file),
        key_file=path(table.key_file),
        timeout=table.timeout_seconds,
        tries=table.tries,
        most_bytes=table.page_bytes,
    )


def address(url: str, place: str = "config.settings.url") -> str:
    """The address of an interface, without a stroke at its end. Raises ConfigurationError: it holds no secret, and data
    of people go over TLS or stay on this machine."""
    parts = _split(url)
    if parts is None or not parts.hostname or parts.query or parts.fragment:
        raise ConfigurationError("is no address", place=place, remedy="https://… without parameters")
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError("holds a secret", place=place, remedy="name user and password_file instead")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise ConfigurationError("would fetch people's data in clear", place=place, remedy="use https")
    return url.rstrip("/")


def _plain(text: str) -> bool:
    """Fit for the first line of a request as it stands."""
    return text.isascii() and text.isprintable() and " " not in text


def _split(url: str) -> SplitResult | None:
    """The parts of an HTTP address; None when it is none."""
    try:
        parts = urlsplit(url)
        known = parts.port != 0 and parts.scheme in ("http", "https")
    except ValueError:
        return None
    return parts if known and _plain(url) else None


def _paging(table: PagingTable, place: str) -> Paging:
    kind, at = table.kind, table.at
    first = (1 if kind == "page" else 0) if table.first is None else table.first
    paging = Paging(
        kind=kind,
        at=pointer_of(at, f"{place}.at"),
        parameter=table.parameter,
        first=first,
        fixed={name: str(value) for name, value in table.parameters.items()},
        most=table.most_pages,
    )
    if kind not in PAGING:
        raise ConfigurationError("unknown kind", place=f"{place}.kind", remedy=" | ".join(PAGING))
    if (kind in _POINTED) != bool(at):
        raise ConfigurationError(
            "next and cursor need it, no other kind does",
            place=f"{place}.at",
            remedy="for example /next",
        )
    if (kind in _COUNTED or kind == "cursor") != bool(paging.parameter):
        raise ConfigurationError(
            "page, offset and cursor need it, no other kind does",
            place=f"{place}.parameter",
            remedy="name the parameter of the address",
        )
    return paging


def _endpoint(table: RequestTable, place: str) -> Endpoint:
    endpoint = Endpoint(
        path=table.path,
        parameters={name: str(value) for name, value in table.parameters.items()},
        rows=pointer_of(table.rows, f"{place}.rows"),
        total=pointer_of(table.total, f"{place}.total") if table.total else None,
        version=table.version,
        since=table.since,
        optional=frozenset(table.optional),
        etag_whole=table.etag_whole,
    )
    if (
        not endpoint.path.startswith("/")
        or not _plain(endpoint.path)
        or "?" in endpoint.path
        or "#" in endpoint.path
    ):
        raise ConfigurationError(
            "begins with /, is percent-encoded and has no parameters",
            place=f"{place}.path",
            remedy="use parameters",
        )
    if endpoint.rows[-1:] == (EACH,):
        raise ConfigurationError(
            "ends with a star", place=f"{place}.rows", remedy="name the list in each: /akten/*/personen"
        )
    if bool(endpoint.version) != bool(endpoint.since):
        raise ConfigurationError(
            "belong together", place=f"{place}.version and .since", remedy="set both or none"
        )
    return endpoint


def _check(settings: RestSettings) -> None:
    access, limits = settings.access, settings.ordering
    if (access.cert_file is None) != (access.key_file is None):
        raise ConfigurationError(
            "belong together", place="config.settings.cert_file and .key_file", remedy="set both or none"
        )
    if access.header and not re.fullmatch(r"[A-Za-z0-9-]+", access.header):
        raise ConfigurationError(
            "is no header's name", place="config.settings.header_name", remedy="for example X-Api-Key"
        )
    if sum((bool(access.token_file or access.token_env), bool(access.user))) > 1:
        raise ConfigurationError(
            "a token and a user", place="config.settings", remedy="keep one of token_file, token_env, user"
        )
    if min(access.timeout, access.tries, access.most_bytes, settings.paging.most) <= 0:
        raise ConfigurationError("must be positive", place="config.settings", remedy="correct the limits")
    spans = (
        settings.poll_seconds,
        settings.reconcile_seconds,
        limits.overlap_seconds,
        limits.overlap_numbers,
    )
    if min(spans) < 0:
        raise ConfigurationError(
            "must not be negative", place="config.settings", remedy="correct poll, reconcile or overlap"
        )
