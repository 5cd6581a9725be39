"""A jobcenter that reports and a youth welfare office that receives, each with a folder, a key and a command line."""

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from hub.cli.app import app
from hub.danger.letter import answers_topic, reports_topic
from hub.danger.sealing import new_private_key
from hub.ports import EventLog, Outgoing, Record

START = datetime.fromisoformat("2026-11-22T08:00:00+01:00")
REPORT = {
    "child": "Mia Kanarienvogel, 4 Jahre",
    "signs": ["blaue Flecken", "kommt hungrig"],
    "family_informed": False,
    "channel": "Vorsprache",
    "number": "JC-77",
    "case": "35502//0001234",
}


@dataclass
class Path8a:
    """`log` names the log as the configuration does: `path = "…"` or `bootstrap = "…"`."""

    folder: Path
    log: str
    jobcenter: str = "jc-a"
    office: str = "ja-a"
    keys: dict[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for side in (self.jobcenter, self.office):
            (self.folder / side).mkdir(parents=True)
            key = new_private_key()
            (self.folder / side / "danger.key").write_text(key.text, encoding="ascii")
            self.keys[side] = key.public.text
        (self.folder / "clock").write_text(START.isoformat(), encoding="ascii")
        self.configure(self.jobcenter, "jobcenter", self.office, "youth_welfare")
        self.configure(self.office, "youth_welfare", self.jobcenter, "jobcenter")

    def configure(
        self, side: str, kind: str, partner: str, partner_kind: str, log: str = "", extra: str = ""
    ) -> None:
        own = 'state = "danger.sqlite"\nkey_files = ["danger.key"]\nalarm_minutes = 15\nretention_days = 3650'
        other = f'kind = "{partner_kind}"\npublic_key = "{self.keys[partner]}"\nphone = "02306 110"'
        self.file(side).write_text(
            f'[agency]\nid = "{side}"\nkind = "{kind}"\n[danger]\n{own}\nclock_file = "../clock"\n{extra}\n'
            f'[[partners]]\nid = "{partner}"\n{other}\n[log]\n{log or self.log}\n',
            encoding="utf-8",
        )

    def file(self, side: str) -> Path:
        return self.folder / side / "danger.toml"

    @property
    def topics(self) -> list[str]:
        return [reports_topic(self.jobcenter), answers_topic(self.office)]

    def wait(self, **time: float) -> None:
        """Let the clock of both offices go on."""
        now = datetime.fromisoformat((self.folder / "clock").read_text(encoding="ascii"))
        (self.folder / "clock").write_text((now + timedelta(**time)).isoformat(), encoding="ascii")

    def call(self, verb: str, side: str, *more: str, stdin: bytes | None = None) -> Result:
        return CliRunner().invoke(app, ["danger", verb, str(self.file(side)), *more], input=stdin)

    def report(self, content: Any = None, *more: str, code: int = 0) -> dict[str, Any]:
        """Report what is given: bytes as they are, anything else as JSON."""
        data = content if isinstance(content, bytes) else json.dumps(content or REPORT).encode()
        return self._json(self.call("report", self.jobcenter, "-", "--json", *more, stdin=data), code)

    def inbox(self) -> list[dict[str, Any]]:
        found = self._json(self.call("inbox", self.office, "--all", "--json"))
        return list(found["reports"])

    def say(self, verb: str, report_id: str, *flags: str, code: int = 0) -> None:
        self._json(self.call(verb, self.office, report_id, *flags, "--json"), code)

    def status(self, side: str = "", code: int = 0) -> dict[str, Any]:
        return self._json(self.call("status", side or self.jobcenter, "--json"), code)

    @staticmethod
    def _json(result: Result, code: int = 0) -> dict[str, Any]:
        assert result.exit_code == code, (result.output, result.exception)
        found = json.loads(result.stdout)
        assert isinstance(found, dict)
        return found


def records(log: EventLog, topic: str) -> list[Record]:
    state = log.state([topic])[topic]
    return list(log.read(topic, state.first, 10_000))


def again(log: EventLog, topic: str) -> None:
    """Everything on a topic comes once more."""
    log.append(topic, [Outgoing(record.key, record.value) for record in records(log, topic)])
