"""The reference names every setting and every key of a configuration, and nothing else."""

import re
from pathlib import Path

from hub.config import Settings
from hub.hosts.worker.supervise import PARENT
from tests.docs.pages import ROOT, Page, pages

SETTINGS = Page(ROOT / "docs" / "reference" / "settings.md")
CONNECTOR = Page(ROOT / "docs" / "reference" / "connector-toml.md")
_FROM_ENVIRONMENT = re.compile(r'(?:envvar=|environ\.get\(|environ\[)"(HUB_\w+)"')
_TAKEN = re.compile(r'\.(?:take|texts|any|flag|table|tables|items)\(\s*"(\w+)"')
_LISTED = re.compile(r"^(?:FACTS|NORM|TIMES|STYLE_\w+) = \(([^)]*)\)", re.MULTILINE)
_READERS = (
    "connectors/pipeline/config/connector.py",
    "connectors/pipeline/config/streams.py",
    "connectors/pipeline/config/values.py",
    "connectors/sources/files/settings.py",
    "connectors/sources/files/drop_settings.py",
    "connectors/sources/snapshot/config.py",
    "connectors/sources/sql/config.py",
    "connectors/sources/outbox/config.py",
    "connectors/sources/rest/config.py",
    "connectors/sinks/staging/config.py",
    "connectors/sinks/folder/config.py",
    "connectors/sinks/webhook/config.py",
    "connectors/sources/xml/config.py",
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
    text = "\n".join((ROOT / name).read_text(encoding="utf-8") for name in _READERS)
    lists = "".join(_LISTED.findall(text))
    return set(_TAKEN.findall(text)) | set(re.findall(r'"(\w+)"', lists))


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
