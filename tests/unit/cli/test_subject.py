"""`hub subject`: a request is published, executed by the hub, answered by recipients and certified."""

import json
from pathlib import Path
from typing import Any

from hub.errors import HubError
from tests.unit.cli.conftest import World, answer, hub


def _told(world: World) -> str:
    """A measure of a person whom both offices know; returns its subject key."""
    consent = world.jobcenter.grant("anna", "family", ["ja-a"])
    for office in (world.jobcenter, world.youth_office):
        office.person("anna", "family")
        office.link("anna", "family", "CODE-1234")
    world.jobcenter.measure("anna", "family", 1, [consent])
    world.jobcenter.flush()
    world.youth_office.flush()
    world.run()
    return world.jobcenter.subject("anna")


def test_from_the_request_to_the_certificate(world: World, tmp_path: Path) -> None:
    subject = _told(world)
    (number,) = answer("subject", "erase", subject, "--norm", "Art. 17 DSGVO")["requested"]
    assert answer("subject", "erasures")["erasures"] == []  # in the log, and nobody has read it
    world.run()
    (waiting,) = answer("subject", "erasures")["erasures"]
    assert waiting["state"] == "waiting_for_answers"
    assert {one["recipient"] for one in waiting["recipients"]} == {"ja-a"}
    said = "in eigener Akte behalten nach § 84 Abs. 4 SGB X"
    done = answer("subject", "answer", number, "--recipient", "ja-a", "--text", said)
    assert done["state"] == "completed"
    assert answer("subject", "erasures")["erasures"] == []
    assert len(answer("subject", "erasures", "--all")["erasures"]) == 1
    printed = hub("subject", "certificate", number)
    assert json.loads(printed.stdout)["recipients"][0]["answer"] == said
    file = tmp_path / "certificate.json"
    file.write_text(printed.stdout, encoding="utf-8")
    assert answer("subject", "verify", str(file))["genuine"] is True
    file.write_text(printed.stdout.replace("Art. 17", "Art. 18"), encoding="utf-8")
    assert hub("subject", "verify", str(file)).exit_code == 1


def test_a_person_is_erased_at_every_agency_that_knows_it(world: World) -> None:
    subject = _told(world)
    assert len(answer("subject", "erase", subject, "--person", "--norm", "Art. 17 DSGVO")["requested"]) == 2
    world.run()
    found = answer("subject", "erasures", "--all")["erasures"]
    assert {one["subject"].split(":")[0] for one in found} == {"jc-a", "ja-a"}


def test_access_tells_what_is_there_and_who_had_it(world: World, tmp_path: Path) -> None:
    subject = _told(world)
    found = answer_of("subject", "export", subject)
    assert [(one["sender"], one["type"], one["fields"]["provider"]) for one in found["records"]] == [
        ("jc-a", "MeasureStarted", "Träger 1")
    ]
    assert {(one["recipient"], one["role"]) for one in found["recipients"]} == {("ja-a", "ja_asd")}
    assert [one["recipients"] for one in found["consents"]] == [["ja-a"]]
    again = answer_of("subject", "export", subject)
    assert [(one["role"], one["purpose"]) for one in again["retrievals"]] == [("subject", "subject_access")]
    out = tmp_path / "auskunft.json"
    assert hub("subject", "export", subject, "--out", str(out)).exit_code == 0
    assert out.stat().st_mode & 0o077 == 0
    assert _refused("subject", "export", subject, "--out", str(out)) == 66
    answer("subject", "erase", subject, "--norm", "x")
    world.run()
    assert answer_of("subject", "export", subject)["records"] == []


def test_access_of_one_person_holds_nothing_of_another(world: World) -> None:
    subject = _told(world)
    world.jobcenter.person("berta", "family")
    consent = world.jobcenter.grant("berta", "family", ["ja-a"])
    world.jobcenter.measure("berta", "family", 77, [consent])
    world.jobcenter.flush()
    world.run()
    assert "Träger 77" not in json.dumps(answer_of("subject", "export", subject), ensure_ascii=False)
    other = answer_of("subject", "export", world.jobcenter.subject("berta"))
    assert [one["fields"]["provider"] for one in other["records"]] == ["Träger 77"]


def answer_of(*arguments: str) -> dict[str, Any]:
    found = json.loads(hub(*arguments).stdout)
    assert isinstance(found, dict)
    return found


def test_strangers_and_wrong_numbers_are_refused(world: World) -> None:
    subject = _told(world)
    assert _refused("subject", "erase", "jc-a:p_nobody", "--norm", "x") == 66
    assert _refused("subject", "certificate", "00") == 66
    (number,) = answer("subject", "erase", subject, "--norm", "x")["requested"]
    assert _refused("subject", "certificate", number) == 66
    assert _refused("subject", "answer", number, "--recipient", "ja-a", "--text", "x") == 64


def _refused(*arguments: str) -> int:
    """The exit code that the program ends with."""
    error = hub(*arguments).exception
    assert isinstance(error, HubError)
    return error.exit_code


def test_people_read_german(world: World) -> None:
    subject = _told(world)
    assert "Angefordert" in hub("--lang", "de", "subject", "erase", subject, "--norm", "x").stdout
    world.run()
    assert "Antworten fehlen" in hub("--lang", "de", "subject", "erasures").stdout.replace("\n", " ")
