"""Two more houses, connected from the documents alone: a nightly dump as old systems write it, and a file per case and
day in XML. What they say strangely must come out plainly, and what they do not say must not come out at all."""

from collections import defaultdict
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connectors.pipeline.config.connector import load_config
from connectors.pipeline.gate.judge import Judged
from connectors.pipeline.mapping.mapped import Unmapped
from connectors.tools.dry_run.offline import offline
from hub.domain.identifiers import AgencyKey

NOW, KEY = datetime(2026, 11, 20, 20, tzinfo=UTC), AgencyKey(b"k" * 32)
HOUSE = """
[agency]
id = "ID"
kind = "AGENCY"
[connector]
kind = "KIND"
state = "state.sqlite"
pseudonyms = "pseudonyms.sqlite"
[[recipients]]
controller = "xx-morsum"
kind = "social_office"
role = "office_clerk"
"""
DUMP = """
[settings]
folder = "drop"
complete = "rename"
as_of = '_(\\d{8})'
together = true
encoding = "cp850"
delimiter = "|"
quote = ""
[defaults]
date = "%d-%b-%Y"
true = ["1"]
false = ["0"]
empty = ['\\N']
[lookups.case]
stream = "links"
key = "P"
columns = ["CSE"]
[streams.links]
file = "LNK_*.TXT"
key = ["REG", "NUM", "CSE"]
derive = { P = { columns = ["REG", "NUM"], join = "-" } }
[[streams.links.events]]
type = "MemberJoined"
subject = "P"
case = "CSE"
occurred_at = "FR"
fields = { from = "FR", until = "TO" }
[streams.persons]
file = "PRS_*.TXT"
key = ["REG", "NUM", "VALID"]
derive = { P = { columns = ["REG", "NUM"], join = "-" } }
gone = { column = "STS", in = ["D"] }
[[streams.persons.events]]
type = "PersonRegistered"
when = [{ column = "UNTIL", in = ["99991231"] }]
subject = "P"
case = { lookup = "case", by = "P", column = "CSE" }
occurred_at = { column = "VALID", date = "%Y%m%d" }
fields = { names = { columns = ["SUR", "FORE"], join = ", " }, birth_date = { column = "DOB", date = "%Y%j" } }
[streams.payments]
file = "PAY_*.TXT"
key = ["REG", "NUM", "PER"]
derive = { P = { columns = ["REG", "NUM"], join = "-" } }
gone = { column = "STS", in = ["D"] }
[[streams.payments.events]]
type = "BenefitGranted"
subject = "P"
case = { lookup = "case", by = "P", column = "CSE" }
occurred_at = { column = "BOOKED", timestamp = "epoch_seconds" }
fields = { amount = { column = "AMT", factor = 0.01 }, month = { column = "PER", date = "%Y%m", out = "%Y-%m" } }
[streams.consents]
file = "CNS_*.TXT"
key = "CID"
[streams.consents.derive]
P = { columns = ["REG", "NUM"], join = "-" }
A = { columns = ["REG", "BY"], join = "-" }
B = { columns = ["REG2", "BY2"], join = "-" }
[[streams.consents.events]]
type = "ConsentGranted"
subject = "P"
case = { lookup = "case", by = "P", column = "CSE" }
occurred_at = { column = "DAY", date = "epoch_days" }
[streams.consents.events.fields]
id = "CID"
sender = { constant = "jc-morsum" }
granted_by = { columns = ["A", "B"], person = true }
categories = { flags = { ID = "C_ID", LB = "C_LB" } }
notices = { flags = { purpose = "N1", refusal = "N2", withdrawal = "N3" } }
granted_at = { column = "DAY", date = "epoch_days" }
[[streams.consents.events]]
type = "ConsentWithdrawn"
when = [{ column = "WDR", filled = true }]
subject = "P"
case = { lookup = "case", by = "P", column = "CSE" }
occurred_at = { column = "WDR", date = "epoch_days" }
fields = { consent_id = "CID" }
"""
DUMPED = {
    "LNK": "REG|NUM|CSE|FR|TO\n044|1|88|01-APR-2026|\\N\n044|2|88|01-APR-2026|31-MAY-2026\n045|1|\\N|01-APR-2026|\\N",
    "PRS": "REG|NUM|VALID|UNTIL|SUR|FORE|DOB|STS\n044|1|20240101|20260630|Weiß|Änne|1991032|A\n"
    '044|1|20260701|99991231|Weiß-Öz|"Änne|1991032|A\n044|2|20240101|99991231|Weiß|Jörn|2016366|A\n'
    "045|1|20240101|99991231|Groß|Uwe|1970100|A\n044|9|20240101|99991231|Alt|Ida|1970100|D",
    "PAY": "REG|NUM|PER|AMT|BOOKED|STS\n044|1|202611|56300|1793487600|A\n044|1|202610|1250-|1793487600|A\n"
    "044|2|202611|39000|1793487600|D\n044|\\N|202611|1|1793487600|A",
    "CNS": "CID|REG|NUM|BY|REG2|BY2|DAY|C_ID|C_LB|N1|N2|N3|WDR\n1|044|1|1|\\N|\\N|20760|1|0|1|1|1|\\N\n"
    "2|044|2|1|044|3|20760|1|1|1|1|1|20770",
}
ACTS = """
[settings]
folder = "drop"
complete = "rename"
as_of = '_(\\d{8})'
encoding = "utf-8"
namespaces = { f = "urn:fall", p = "urn:person" }
[defaults]
date = "%Y-%m-%d%z"
timestamp = "%Y-%m-%dT%H:%M:%S%z"
true = ["true", "True", "TRUE"]
false = ["false", "False", "FALSE"]
[streams.custody]
file = "*.xml"
changes = true
key = "child"
records.path = "f:Akte/f:Sorge"
records.ignored = ["/f:Akte/p:Person"]
records.columns = { az = "/f:Akte/@AZ", child = "@Kind", since = "@Seit", who = "f:Inhaber/@Ref" }
[[streams.custody.events]]
type = "CustodyChanged"
subject = "child"
case = "az"
occurred_at = "since"
fields = { custodians = { column = "who", person = true } }
[streams.consents]
file = "*.xml"
changes = true
key = "id"
[streams.consents.records]
path = "f:Akte/f:Einw"
[streams.consents.records.columns]
az = "/f:Akte/@AZ"
id = "@Id"
who = "@Person"
state = "@Status"
since = "@Seit"
ended = "@Ende"
kat = "f:Kat/@K"
by = "f:Von/@Ref"
n1 = "f:Hinweis/@Zweck"
n2 = "f:Hinweis/@Folgen"
n3 = "f:Hinweis/@Widerruf"
[[streams.consents.events]]
type = "ConsentGranted"
subject = "who"
case = "az"
occurred_at = "since"
[streams.consents.events.fields]
id = "id"
sender = { constant = "ja-morsum" }
granted_by = { column = "by", person = true }
categories = "kat"
notices = { flags = { purpose = "n1", refusal = "n2", withdrawal = "n3" } }
granted_at = "since"
[[streams.consents.events]]
type = "ConsentWithdrawn"
when = [{ column = "state", in = ["widerrufen"] }]
subject = "who"
case = "az"
occurred_at = "ended"
fields = { consent_id = "id" }
[streams.helps]
file = "*.xml"
changes = true
key = "id"
[streams.helps.records]
path = "f:Akte/f:Hilfe"
[streams.helps.records.columns]
az = "/f:Akte/@AZ"
id = "@Id"
who = "@Fuer"
para = "@Para"
law = "@Gesetz"
start = "@Beginn"
safe = "@Schutz"
[[streams.helps.events]]
type = "HelpStarted"
when = [{ column = "law", in = ["SGB VIII"] }]
subject = "who"
case = "az"
occurred_at = "start"
endangers_help = "safe"
fields = { paragraph = { column = "para", pattern = '§ *([0-9]+[a-z]?)' }, start = "start" }
"""
ACT = """<?xml version="1.0" encoding="UTF-8"?>
<f:Akte xmlns:f="urn:fall" xmlns:p="urn:person" AZ="4711/26"><p:Person Nr="P1" Name="Weiß"/>
<f:Sorge Kind="P2" Seit="2016-12-31+01:00"><f:Inhaber Ref="P1"/>
  <f:Inhaber Ref="P3"/></f:Sorge>
<f:Hilfe Id="H9" Fuer="P2" Para="§ 31" Gesetz="SGB VIII" Beginn="2026-04-15T00:30:00+02:00" Schutz="FALSE"/>
<f:Hilfe Id="H8" Fuer="P2" Para="§ 16a" Gesetz="SGB II" Beginn="2026-04-15T00:30:00+02:00" Schutz="false"/>
<f:Einw Id="E1" Person="P2" Status="gültig" Seit="2026-11-02T09:30:00+01:00">
  <f:Kat K="ID"/><f:Kat K="HS"/><f:Von Ref="P1"/><f:Von Ref="P3"/>
  <f:Hinweis Zweck="True" Folgen="true" Widerruf="TRUE"/></f:Einw>
<f:Einw Id="E2" Person="P3" Status="widerrufen" Seit="2026-11-02T09:30:00+01:00"
  Ende="2026-11-10T10:00:00+01:00">
  <f:Kat K="ID"/><f:Von Ref="P3"/><f:Hinweis Zweck="True" Folgen="true" Widerruf="false"/></f:Einw></f:Akte>"""


def told(folder: Path) -> tuple[dict[str, list[Any]], list[Unmapped]]:
    """What the mapping says, by event type in the order of the rows, and what it cannot read."""
    with offline(load_config(folder / "source.toml"), KEY) as looking:
        found = list(looking.judged(NOW))
    events = defaultdict(list)
    for one in found:
        if isinstance(one, Judged):
            events[one.event.schema.event_type].append(one.event)
    return events, [one for one in found if isinstance(one, Unmapped)]


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    inbox = tmp_path / "drop" / "inbox"
    inbox.mkdir(parents=True)
    for name, text in DUMPED.items():
        (inbox / f"{name}_20261119.TXT").write_bytes(text.replace("\n", "\r\n").encode("cp850") + b"\r\n")
    head = HOUSE.replace("ID", "jc-morsum").replace("AGENCY", "jobcenter").replace("KIND", "file_drop")
    (tmp_path / "source.toml").write_text(head + DUMP, encoding="utf-8")
    return tmp_path


def test_of_two_rows_of_a_person_the_one_that_holds_counts(dump: Path) -> None:
    events, _ = told(dump)
    found = {event.subject_ref: event.payload for event in events["PersonRegistered"]}
    assert found == {
        KEY.person("044-1"): {"names": 'Weiß-Öz, "Änne', "birth_date": date(1991, 2, 1)},
        KEY.person("044-2"): {"names": "Weiß, Jörn", "birth_date": date(2016, 12, 31)},
    }


def test_amounts_with_their_sign_behind_and_what_nobody_is_named_for(dump: Path) -> None:
    events, faults = told(dump)
    payments = events["BenefitGranted"]
    assert [(event.payload["amount"], event.payload["month"]) for event in payments] == [
        (Decimal("563.00"), "2026-11"),
        (Decimal("-12.50"), "2026-10"),
    ]
    assert {event.subject_ref for event in payments} == {KEY.person("044-1")}
    found = {(fault.event_type, fault.column, fault.reason) for fault in faults}
    assert found == {("BenefitGranted", "P", "subject_missing"), ("MemberJoined", "CSE", "case_missing")}


def test_a_consent_in_one_wide_row(dump: Path) -> None:
    events, _ = told(dump)
    first, second = (event.payload for event in events["ConsentGranted"])
    assert first["granted_by"] == [KEY.person("044-1")]
    assert second["granted_by"] == [KEY.person("044-1"), KEY.person("044-3")]
    assert (first["categories"], second["categories"]) == (["ID"], ["ID", "LB"])
    assert first["granted_at"] == datetime(2026, 11, 2, 23, tzinfo=UTC)
    assert [event.payload["consent_id"] for event in events["ConsentWithdrawn"]] == ["2"]


def test_a_file_for_each_case_and_day(tmp_path: Path) -> None:
    inbox = tmp_path / "drop" / "inbox"
    inbox.mkdir(parents=True)
    (inbox / "4711-26_20261119.xml").write_text(ACT, encoding="utf-8")
    head = HOUSE.replace("ID", "ja-morsum").replace("AGENCY", "youth_welfare").replace("KIND", "xml")
    (tmp_path / "source.toml").write_text(head + ACTS, encoding="utf-8")
    events, faults = told(tmp_path)
    assert faults == []
    both = [KEY.person("P1"), KEY.person("P3")]
    assert [event.payload["custodians"] for event in events["CustodyChanged"]] == [both]
    assert [event.payload for event in events["HelpStarted"]] == [
        {"paragraph": "31", "start": date(2026, 4, 15)}
    ]
    granted = [event.payload for event in events["ConsentGranted"]]
    assert [each["granted_by"] for each in granted] == [both, [KEY.person("P3")]]
    assert [each["categories"] for each in granted] == [["ID", "HS"], ["ID"]]
    assert [each["notices"] for each in granted] == [
        ["purpose", "refusal", "withdrawal"],
        ["purpose", "refusal"],
    ]
    assert [event.payload["consent_id"] for event in events["ConsentWithdrawn"]] == ["E2"]
