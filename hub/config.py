"""One frozen Settings, read once by the composition root from `HUB_*` variables or a `.env` file."""

import re
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from hub.adapters.keys.wrapping import master_keys
from hub.adapters.log.security import BrokerSecurity
from hub.domain.agencies import ROLES_BY_KIND, Agency
from hub.errors import ConfigurationError
from hub.file_models import FileTable, Texts, checked
from schemas import limits


class AgencyTable(FileTable):
    id: str
    kind: str
    name: str = ""
    roles: Texts | None = None
    undertaking: bool = False


class AgenciesFile(FileTable):
    """Who takes part: one `[[agency]]` for each."""

    agency: list[AgencyTable] = Field(default_factory=list)


def _a_database(url: SecretStr) -> SecretStr:
    try:
        if text := url.get_secret_value():
            make_url(text).get_backend_name()
    except (ArgumentError, ValueError):
        raise ValueError("no database address, such as postgresql+psycopg://user@host/name") from None
    return url


DatabaseUrl = Annotated[SecretStr, AfterValidator(_a_database)]


class Settings(BaseSettings):
    """What the hub needs to start. Secrets never show in `repr`."""

    model_config = SettingsConfigDict(env_prefix="HUB_", env_file=".env", extra="ignore", frozen=True)

    agencies: Path = Field(default=Path("agencies.toml"), description="who takes part")
    host: Literal["embedded", "kafka"] = "embedded"
    data: Path = Field(default=Path("var"), description="embedded: folder of log, store and keys")
    kafka_bootstrap: str = ""
    kafka_security: Literal["plaintext", "ssl", "sasl_ssl"] = "plaintext"
    kafka_ca: Path | None = None
    kafka_cert: Path | None = None
    kafka_key: Path | None = None
    kafka_mechanism: Literal["SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    kafka_user: str = ""
    kafka_password_file: Path | None = None
    partitions: int = Field(default=4, ge=1, description="of every topic; fixed at creation")
    topic_timestamps: Literal["append", "create"] = "append"
    database_url: DatabaseUrl = SecretStr("")
    key_database_url: DatabaseUrl = SecretStr("")
    kek: SecretStr = Field(default=SecretStr(""), description="master key, base64 of 32 bytes")
    kek_file: Path | None = None
    kek_next_file: Path | None = Field(
        default=None, description="the key to rotate to; KEK_FILE.next by default"
    )
    key_service_url: str = Field(default="", description="https://host:port of `hub keys serve`")
    key_connections: int = Field(
        default=16, ge=1, description="key service: connections that an agency may hold"
    )
    key_seals_per_second: int = Field(
        default=2000, ge=100, description="key service: keys that an agency may ask to seal with"
    )
    key_cache_mb: float = Field(default=64, gt=0, description="opened keys in memory, of each process")
    knowledge_cache_mb: float = Field(default=64, gt=0, description="opened control states in memory")
    head_cache_mb: float = Field(default=32, gt=0, description="heads of admitted events in memory")
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    ledger_file: Path | None = Field(default=None, description="destroyed keys, kept apart from all backups")
    clock_file: Path | None = Field(default=None, description="stories only: the time stands in this file")
    metrics_port: int = Field(default=0, ge=0, le=65_535)
    lease_seconds: int = Field(default=24 * 3600, gt=0)
    hold_days: int = Field(default=7, gt=0)
    stale_after_seconds: float = Field(default=60.0, gt=0)
    danger_alarm_minutes: float = Field(default=15.0, gt=0)
    danger_retention_days: int | None = Field(
        default=None, gt=0, description="of the danger topics; none: for ever"
    )
    connectors: tuple[Path, ...] = Field(
        default=(), description="connectors on this machine, for hub explain"
    )
    policy_files: tuple[Path, ...] = Field(default=(), description="files that tighten the matrix")

    retention_file: Path | None = Field(default=None, description="a file that shortens periods of retention")

    def broker_security(self) -> BrokerSecurity:
        """How brokers are reached; raises ConfigurationError."""
        return BrokerSecurity(
            protocol=self.kafka_security,
            ca=self.kafka_ca,
            cert=self.kafka_cert,
            key=self.kafka_key,
            mechanism=self.kafka_mechanism,
            user=self.kafka_user,
            password_file=self.kafka_password_file,
        )

    @property
    def store_url(self) -> str:
        return self.database_url.get_secret_value() or f"sqlite:///{self.data / 'store.sqlite'}"

    @property
    def key_url(self) -> str:
        return self.key_database_url.get_secret_value() or f"sqlite:///{self.data / 'keys.sqlite'}"

    @property
    def ledger_path(self) -> Path | None:
        """Where destructions are written besides the key database; beside the data folder where all lies in it."""
        if self.ledger_file or self.key_database_url.get_secret_value():
            return self.ledger_file
        folder = self.data.absolute()
        return folder.with_name(f"{folder.name}.ledger")

    def keks(self) -> Callable[[], Sequence[bytes]]:
        """Reads the key-encryption keys; raises ConfigurationError."""
        return master_keys(self.kek.get_secret_value(), self.kek_file or "", self.kek_next_file or "")


_CORRECT = "correct it in the environment or in the file .env"


def load_settings(**given: object) -> Settings:
    """The settings of this process; raises ConfigurationError naming the setting, never its value."""
    try:
        return Settings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        names = ", ".join(f"HUB_{'_'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors())
        raise ConfigurationError(
            f"a setting cannot be used ({names})", place="environment", remedy=_CORRECT
        ) from None
    except SettingsError as error:
        named = re.search(r'"(\w+)"', str(error))
        name = f"HUB_{named[1].upper()}" if named else "environment"
        raise ConfigurationError("is no JSON list", place=name, remedy=_CORRECT) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"cannot be read ({type(error).__name__})", place=".env", remedy=_CORRECT
        ) from None


def load_agencies(path: Path) -> tuple[Agency, ...]:
    """The agencies of a TOML file; raises ConfigurationError."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise _bad(path, "there is no such file", "name it in HUB_AGENCIES") from None
    except (OSError, UnicodeDecodeError) as error:
        raise _bad(path, f"cannot be read ({type(error).__name__})", "name it in HUB_AGENCIES") from None
    except tomllib.TOMLDecodeError as error:
        raise _bad(path, f"this is no TOML ({error})", "correct it") from None
    file = checked(AgenciesFile, raw, path.name)
    return tuple(_agency(entry, f"{path.name}.agency[{n}]") for n, entry in enumerate(file.agency))


def _agency(table: AgencyTable, place: str) -> Agency:
    if table.kind not in ROLES_BY_KIND:
        raise ConfigurationError(
            "unknown kind of agency", place=f"{place}.kind", remedy=" | ".join(ROLES_BY_KIND)
        )
    roles = ROLES_BY_KIND[table.kind] if table.roles is None else table.roles
    for name, limit in ((table.id, "controller"), *((role, "role") for role in roles)):
        if problem := limits.name_problem(name, limit):
            raise ConfigurationError(
                f"an id or role {problem}", place=place, remedy="choose a shorter, plain one"
            )
    return Agency(
        id=table.id, kind=table.kind, name=table.name or table.id, roles=roles, undertaking=table.undertaking
    )


def _bad(path: Path, message: str, remedy: str) -> ConfigurationError:
    return ConfigurationError(message, place=path.name, remedy=remedy)
