"""The houses: each writes its export and its `source.toml` into a folder. Two that nobody planned for stand in files.

`registry`: a social office's client register as it came from Oracle to PostgreSQL: padded keys, names in four columns,
history by days of validity, days and months as numbers, cents, letters for yes and no, lists in a text.
`vendor`: an interface to a youth welfare office's cases: persons and helps within their case, signers as objects,
instants that leave out what is nothing, amounts as people write them, empty lists left out, pages by a Link header.
"""

import json
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from tests.integration.connectors.interface import TOKEN, Interface
from tests.integration.connectors.test_strange_houses import ACT, ACTS, DUMP, DUMPED, HOUSE
from tests.integration.connectors.test_three_houses import HOUSES

HERE = Path(__file__).parent
EVENING, DAY = datetime(2026, 11, 19, 18, tzinfo=UTC).timestamp(), 86_400


def registry(url: str) -> None:
    """The empty database at `url` becomes this house's; `configure` connects a folder with it."""
    with psycopg.connect(url.replace("postgresql+psycopg", "postgresql")) as connection:
        connection.execute((HERE / "registry.sql").read_bytes())


def vendor(folder: Path, interface: Interface) -> None:
    """The interface becomes this house's."""
    interface.lists = json.loads((HERE / "vendor.json").read_text(encoding="utf-8"))
    interface.paging = "link"
    (folder / "token").write_text(TOKEN, encoding="ascii")
    configure(folder, "vendor", interface.url)


def planned(name: str, folder: Path) -> None:
    """One of the three houses that say the same."""
    config, export = HOUSES[name]
    export(folder)
    (folder / "source.toml").write_text(config, encoding="utf-8")


def dump(folder: Path) -> None:
    for name, text in DUMPED.items():
        _inbox(folder, f"{name}_20261119.TXT", (text.replace("\n", "\r\n") + "\r\n").encode("cp850"))
    head = HOUSE.replace("ID", "jc-morsum").replace("AGENCY", "jobcenter").replace("KIND", "file_drop")
    (folder / "source.toml").write_text(head + DUMP, encoding="utf-8")


def acts(folder: Path) -> None:
    _inbox(folder, "4711-26_20261119.xml", ACT.encode())
    head = HOUSE.replace("ID", "ja-morsum").replace("AGENCY", "youth_welfare").replace("KIND", "xml")
    (folder / "source.toml").write_text(head + ACTS, encoding="utf-8")


def date_files(folder: Path) -> None:
    """Files that name no day are of this evening, whenever the test runs."""
    for file in (folder / "drop" / "inbox").glob("*"):
        os.utime(file, (EVENING, EVENING))


def deliver_again(prepared: Path, folder: Path) -> None:
    """The files of the first evening arrive once more, two days later, where the house delivers files."""
    for file in (prepared / "drop" / "inbox").glob("*"):
        again = folder / "drop" / "inbox" / file.name.replace("20261119", "20261121")
        shutil.copy(file, again)
        os.utime(again, (EVENING + 2 * DAY, EVENING + 2 * DAY))


def _inbox(folder: Path, name: str, content: bytes) -> None:
    inbox = folder / "drop" / "inbox"
    inbox.mkdir(parents=True, exist_ok=True)
    (inbox / name).write_bytes(content)


def configure(folder: Path, name: str, url: str) -> None:
    """The configuration of a house that answers at `url`."""
    text = (HERE / f"{name}.toml").read_text(encoding="utf-8")
    (folder / "source.toml").write_text(text.replace("{url}", url), encoding="utf-8")
