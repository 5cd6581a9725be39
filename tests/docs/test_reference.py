"""The reference names every setting and every key of a configuration, and nothing else."""

import re
from pathlib import Path

from connectors.database.settings import AddressTable
from connectors.pipeline.config.tables import ConnectorFile
from connectors.sinks.folder.config import OutTable
from connectors.sinks.webhook.config import HookTable
from connectors.sources.files.drop_settings import CsvDropTable
from connectors.sources.files.settings import FileStreamTable
from connectors.sources.outbox.config import OutboxStreamTable, OutboxTable
from connectors.sources.rest.config import RequestTable, RestTable
from connectors.sources.snapshot.config import CsvTable
from connectors.sources.sql.config import SqlStreamTable, SqlTable
from connectors.sources.xml.config import RecordsTable, XmlTable
from hub.config import Settings
from hub.desk.config import DeskTable
from hub.hosts.worker.supervise import PARENT
from tests.docs.pages import ROOT, Page, pages

SETTINGS = Page(ROOT / "docs" / "reference" / "settings.md")
CONNECTOR = Page(ROOT / "docs" / "reference" / "connector-toml.md")
_FROM_ENVIRONMENT = re.compile(r'(?:envvar=|environ\.get\(|environ\[)"(HUB_\w+)"')
_MODELS = (
    ConnectorFile,
    CsvDropTable,
    CsvTable,
    FileStreamTable,
    SqlTable,
    SqlStreamTable,
    OutboxTable,
    OutboxStreamTable,
    XmlTable,
    RecordsTable,
    RestTable,
    RequestTable,
    AddressTable,
    OutTable,
    HookTable,
    DeskTable,
)


def read_names(*folders: str) -> set[str]:
    """Every variable that the code in these folders reads, the settings' own ones included."""
    sources = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    found = {name for path in sources for name in _FROM_ENVIRONMENT.findall(path.read_text(encoding="utf-8"))}
    return found | {PARENT} | {f"HUB_{name.upper()}" for name in Settings.model_fields}


def test_settings_are_those_of_the_code() -> None:
    listed = {name for name in SETTINGS.codes if re.fullmatch(r"HUB_\w+", name)}
    assert listed >= read_names("hub", "connectors")
    assert listed <= read_names("hub", "connectors", "tests")


def test_defaults_are_those_of_the_code() -> None:
    rows = dict(re.findall(r"^\| `HUB_(\w+)` \| ([^|]*) \|", SETTINGS.text, re.MULTILINE))
    told = {name: rows[name.upper()].strip(" `") for name in Settings.model_fields}
    wanted = {name: _said(field.default) for name, field in Settings.model_fields.items()}
    assert told == wanted


def test_no_page_names_another_setting() -> None:
    named = {name for page in pages() for name in re.findall(r"HUB_[A-Z][A-Z_]*[A-Z]", page.text)}
    assert named <= read_names("hub", "connectors", "tests")


def test_keys_of_a_connector_s_file_are_those_of_the_code() -> None:
    listed = {part for name in CONNECTOR.codes if re.fullmatch(r"[\w.<>]+", name) for part in name.split(".")}
    assert taken_keys() <= listed


def taken_keys() -> set[str]:
    schemas = [model.model_json_schema() for model in _MODELS]
    tables = [table for schema in schemas for table in (schema, *schema.get("$defs", {}).values())]
    return {key for table in tables for key in table.get("properties", {})}


def test_every_verb_of_the_pages_exists() -> None:
    from hub.cli.app import VERBS

    command = re.compile(r"^\$ (?:.*(?:&& |=\S+ ))?hub ([a-z]+)", re.MULTILINE)
    named = {verb for page in pages() for verb in command.findall(page.text)}
    assert named <= VERBS.keys()
    assert named >= {"connect", "decide", "demo", "keys", "quarantine", "rebuild", "simulate", "up", "worker"}


def _said(default: object) -> str:
    secret = getattr(default, "get_secret_value", None)
    value = secret() if secret else default
    if value in ("", None, (), 0):
        return "–"
    return str(Path(value)) if isinstance(value, Path) else str(value)
