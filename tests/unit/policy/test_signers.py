"""Who signs: a table by age on the Berlin calendar, recorded capacity, custody and signatures."""

from datetime import date, datetime

import pytest

from hub.policy import Subject, decide, default_policy, parse_request
from hub.policy.grounds import age_on, signed
from hub.policy.request import parse_consent
from tests.unit.policy.cast import CONSENT, put, request

NOON = "2026-11-21T12:00:00+01:00"
ADULT, FIFTEEN, SEVENTEEN, FOURTEEN = "2008-11-21", "2011-11-21", "2008-11-22", "2011-11-22"

TABLE = [
    # born, capable, custodians, signed by, enough
    (ADULT, None, "", "self", True),
    (ADULT, True, "", "self", True),
    ("0001-01-01", None, "", "self", False),
    ("1900-01-01", None, "m", "self", False),
    ("1900-01-01", None, "m", "m", True),
    ("2031-05-05", None, "m", "self", False),
    ("9999-12-31", True, "m", "self", False),
    (ADULT, False, "", "self", False),
    (ADULT, False, "m f", "m f", False),
    (ADULT, None, "m", "m", False),
    (ADULT, None, "", "self m", True),
    (ADULT, None, "", "", False),
    (SEVENTEEN, None, "m f", "self", True),
    (SEVENTEEN, True, "m f", "self", True),
    (SEVENTEEN, None, "m f", "m f", False),
    (SEVENTEEN, False, "m f", "self", False),
    (SEVENTEEN, False, "m f", "m f", True),
    (SEVENTEEN, False, "m f", "m", False),
    (SEVENTEEN, False, "", "self", False),
    (FIFTEEN, None, "m f", "self", True),
    (FIFTEEN, None, "m f", "m f", False),
    (FIFTEEN, False, "m", "m", True),
    (FOURTEEN, None, "m f", "self", False),
    (FOURTEEN, None, "m f", "m", False),
    (FOURTEEN, None, "m f", "m f", True),
    (FOURTEEN, None, "m f", "f m self", True),
    (FOURTEEN, None, "m", "m", True),
    (FOURTEEN, None, "", "self", False),
    (FOURTEEN, None, "", "m f", False),
    (FOURTEEN, True, "m f", "self", True),
    (FOURTEEN, True, "m f", "m f", False),
    (FOURTEEN, False, "m f", "m f", True),
    (FOURTEEN, False, "m f", "self", False),
    (None, None, "m f", "m f", True),
    (None, None, "m f", "m", False),
    (None, True, "m f", "self", False),
    (None, False, "m f", "m f", True),
    (None, None, "", "m", False),
    (None, None, "", "", False),
]


@pytest.mark.parametrize(("born", "capable", "custodians", "by", "enough"), TABLE)
def test_who_signs(born: str | None, capable: bool | None, custodians: str, by: str, enough: bool) -> None:
    subject = {"ref": "self", "birth_date": born, "capable": capable, "custodians": custodians.split()}
    case = put(
        request(), at=NOON, subject=subject, consents__0__subject="self", consents__0__granted_by=by.split()
    )
    decision = decide(default_policy(), parse_request(case))
    assert (decision.outcome, decision.rules) == (("allow", ()) if enough else ("hold", ("R06",)))


@pytest.mark.parametrize(
    ("born", "at", "enough"),
    [
        ("2011-11-21", "2026-11-20T23:59:59+01:00", False),
        ("2011-11-21", "2026-11-20T22:59:59Z", False),
        ("2011-11-21", "2026-11-20T23:00:00Z", True),
        ("2011-11-21", "2026-11-21T00:00:00+01:00", True),
        ("2011-11-21", "2026-11-20T13:00:00-10:00", True),
        ("2011-07-01", "2026-06-30T21:59:59Z", False),
        ("2011-07-01", "2026-06-30T22:00:00Z", True),
        ("2012-02-29", "2027-02-28T23:59:59+01:00", False),
        ("2012-02-29", "2027-03-01T00:00:00+01:00", True),
    ],
)
def test_the_birthday_begins_at_midnight_in_berlin(born: str, at: str, enough: bool) -> None:
    subject = Subject(ref="self", birth_date=date.fromisoformat(born), capable=None, custodians=("m",))
    consent = parse_consent({**CONSENT, "granted_by": ["self"]})
    assert signed(consent, subject, datetime.fromisoformat(at)) is enough  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("day", "age"),
    [("2026-02-28", 17), ("2026-03-01", 18), ("2028-02-28", 19), ("2028-02-29", 20), ("2007-01-01", -2)],
)
def test_age_of_who_was_born_on_a_leap_day(day: str, age: int) -> None:
    assert age_on(date.fromisoformat(day), date(2008, 2, 29)) == age
