"""An agency's database, opened to read: its driver, its session (read-only, with limits), and what its errors mean."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, InterfaceError, NoSuchModuleError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import DataError as DriverDataError
from sqlalchemy.exc import DBAPIError as DriverError

from connectors.database.values import LIST_BYTES, adapt_psycopg, decoded
from hub.errors import AccessRefused, ConfigurationError, DataError, ServiceUnavailable

DRIVERS = {
    "postgresql": "psycopg",
    "mysql": "pymysql",
    "mariadb": "pymysql",
    "mssql": "pymssql",
    "sqlite": "pysqlite",
}
EXTRAS = {"postgresql": "postgresql", "mysql": "mariadb", "mariadb": "mariadb", "mssql": "mssql"}
PLACE = "config.settings.url"
STANDARD_QUOTES = "SET SESSION sql_mode = CONCAT_WS(',', NULLIF(@@sql_mode, ''), 'ANSI_QUOTES')"
"""MariaDB then takes "x" for a name, as all others do, and not for a text: a query means the same everywhere."""

_REFUSED_CODES = frozenset({1044, 1045, 1142, 1143, 1698, 4151, 18456, 4060, 229, 230})
"""MariaDB and MS SQL: account, password, database or table refused."""
_REFUSED_STATES = frozenset({"28000", "28P01", "42501"})
_REFUSED_WORDS = re.compile(
    r"authentication|authentifizierung|pg_hba|no password supplied|role .* does not exist"
    r"|rolle .* existiert nicht|permission denied|keine berechtigung",
    re.IGNORECASE,
)
"""What PostgreSQL says before a session begins: there it sends no code that the driver passes on."""
_DATA_CODES = frozenset(
    {
        1139,
        1292,
        1365,
        1366,
        1406,
        1411,
        1441,
        1690,
        3140,
        3141,
        3142,
        3143,
        3144,
        3146,
        3147,
        3150,
        3155,
        3156,
        3157,
        220,
        232,
        241,
        242,
        244,
        245,
        248,
        512,
        517,
        537,
        1007,
        3623,
        4121,
        8114,
        8115,
        8134,
        8152,
        9420,
    }
)
"""MariaDB, MySQL and MS SQL: a row's value cannot be computed (divided by zero, out of range, no number, no JSON)."""
_DATA_WORDS = re.compile("integer overflow|malformed JSON|Could not decode|JSON path", re.IGNORECASE)
_FLOAT = 4
"""What MySQL's and MariaDB's drivers call a FLOAT."""


class RowsUnreadable(DataError):
    """Of the rows asked for one at least cannot be computed by the database or passed on by its driver."""

    def __init__(self, place: str, why: str) -> None:
        super().__init__(
            f"the database cannot give a row ({why})",
            reason="unreadable_row",
            place=place,
            remedy="correct the record, or the view or query that computes it",
        )


class Database:
    """Connections that can only read (where the database offers that) and that no statement holds for ever."""

    def __init__(self, url: str, *, connect_seconds: int, statement_seconds: int) -> None:
        self._statement_seconds = statement_seconds
        parsed = _parsed(url)
        self.dialect = parsed.get_backend_name()
        self._engine = _engine(parsed, connect_seconds, statement_seconds)
        event.listen(self._engine, "connect", self._begin_session)

    @contextmanager
    def connection(self, place: str) -> Iterator[Connection]:
        """Raises AccessRefused (account or password), RowsUnreadable (a row's data), else ServiceUnavailable; none
        shows a value."""
        try:
            with self._engine.connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise meaning(error, place) from None

    def rows(self, query: Any, place: str) -> Sequence[Mapping[str, Any]]:
        """All rows of a query that is limited; the connection is given back before anything is done with them."""
        try:
            with self.connection(place) as connection:
                found = connection.execute(query)
                names = tuple(found.keys())
                return [dict(zip(names, row, strict=True)) for row in found]
        except (ArithmeticError, ValueError, RecursionError) as error:
            raise RowsUnreadable(place, type(error).__name__) from None

    def single(self, query: Any, place: str) -> frozenset[str]:
        """The columns of a query that are of single precision, where the database would round them."""
        if self.dialect not in ("mysql", "mariadb"):
            return frozenset()
        with self.connection(place) as connection:
            described = connection.execute(query).cursor.description or ()
            return frozenset(name for name, code, *_ in described if code == _FLOAT)

    @property
    def engine(self) -> Engine:
        """For looking at the schema."""
        return self._engine

    def close(self) -> None:
        self._engine.dispose()

    def _begin_session(self, connection: Any, _record: object) -> None:
        match self.dialect:
            case "postgresql":
                adapt_psycopg(connection)
            case "sqlite":
                connection.text_factory = decoded
        cursor = connection.cursor()
        for statement in self._session(cursor):
            cursor.execute(statement)
        cursor.close()
        connection.commit()

    def _session(self, cursor: Any) -> Iterator[str]:
        seconds = self._statement_seconds
        match self.dialect:
            case "postgresql":
                yield "SET default_transaction_read_only = on"
                yield f"SET statement_timeout = {seconds * 1000}"
            case "mysql" | "mariadb":
                yield "SET SESSION TRANSACTION READ ONLY"
                yield f"SET SESSION group_concat_max_len = {LIST_BYTES}"
                cursor.execute("SELECT VERSION()")
                if "MariaDB" in str(cursor.fetchone()[0]):
                    yield f"SET SESSION max_statement_time = {seconds}"
                else:
                    yield f"SET SESSION max_execution_time = {seconds * 1000}"
            case "mssql":
                yield f"SET LOCK_TIMEOUT {seconds * 1000}"
            case "sqlite":
                yield "PRAGMA query_only = ON"


def meaning(error: SQLAlchemyError, place: str) -> ServiceUnavailable | RowsUnreadable:
    """What an operator does about it; the driver's own words may hold values and are not passed on."""
    if isinstance(error, DriverError) and _is_of_data(error):
        return RowsUnreadable(place, type(error).__name__)
    if isinstance(error, DriverError) and _refused(error):
        return AccessRefused(
            "the agency's database refuses the account",
            place=place,
            remedy="correct account, password or rights; it is tried again, ever more rarely",
        )
    return ServiceUnavailable(
        f"the agency's database does not answer ({type(error).__name__})",
        place=place,
        remedy="check database, address and table; it is tried again",
    )


def _is_of_data(error: DriverError) -> bool:
    """Whether it is about a value in a row, and not about the database."""
    origin: Any = error.orig
    words = isinstance(error, OperationalError) and _code(origin) is None and _DATA_WORDS.search(str(origin))
    return isinstance(error, DriverDataError) or _code(origin) in _DATA_CODES or bool(words)


def _code(origin: Any) -> int | None:
    return next((part for part in getattr(origin, "args", ()) if isinstance(part, int)), None)


def _refused(error: DriverError) -> bool:
    origin: Any = error.orig
    if getattr(origin, "sqlstate", None) in _REFUSED_STATES:
        return True
    code = _code(origin)
    if code in _REFUSED_CODES:
        return True
    early = isinstance(error, OperationalError | InterfaceError) and code is None
    return early and bool(_REFUSED_WORDS.search(str(origin)) or "(28000)" in str(origin))


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigurationError(
            "is no address", place=PLACE, remedy="for example postgresql://account@host/database"
        ) from None
    backend = parsed.get_backend_name()
    if backend not in DRIVERS:
        raise ConfigurationError("unknown kind of database", place=PLACE, remedy=" | ".join(sorted(DRIVERS)))
    if "+" not in parsed.drivername:
        parsed = parsed.set(drivername=f"{backend}+{DRIVERS[backend]}")
    named = parsed.database or ""
    if backend == "sqlite" and named not in ("", ":memory:") and not named.startswith("file:"):
        parsed = parsed.set(database=f"file:{quote(named)}").update_query_dict({"mode": "rw", "uri": "true"})
    return parsed


def _engine(url: URL, connect_seconds: int, statement_seconds: int) -> Engine:
    try:
        return create_engine(
            url,
            hide_parameters=True,
            pool_pre_ping=True,
            connect_args=_arguments(url.get_driver_name(), connect_seconds, statement_seconds),
        )
    except (ModuleNotFoundError, NoSuchModuleError):
        backend = url.get_backend_name()
        raise ConfigurationError(
            f"the driver {url.get_driver_name()} is not installed",
            place=PLACE,
            remedy=f"pip install 'fallbruecke[{EXTRAS.get(backend, backend)}]'",
        ) from None


def _arguments(driver: str, connect: int, statement: int) -> Mapping[str, Any]:
    match driver:
        case "psycopg":
            return {"connect_timeout": connect, "keepalives_idle": 30}
        case "pymysql":
            limits = {"connect_timeout": connect, "read_timeout": statement + 30}
            return {**limits, "init_command": STANDARD_QUOTES}
        case "pymssql":
            return {"login_timeout": connect, "timeout": statement}
        case "pyodbc":
            return {"timeout": connect}
    return {}
