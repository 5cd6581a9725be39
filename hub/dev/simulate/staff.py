"""Who is responsible: the jobcenter divides by letter of surname, the youth office by district."""

import unicodedata
from dataclasses import dataclass

from hub.dev.simulate.world import Home


@dataclass(frozen=True, kw_only=True, slots=True)
class Worker:
    """`scope` is a range of letters (`A-F`) or a district; staff are invented like everybody else."""

    id: str
    surname: str
    given_name: str
    function: str
    scope: str
    phone: str
    languages: tuple[str, ...]

    @property
    def email(self) -> str:
        return f"{self.id.lower()}@seestadt.invalid"


def _worker(id_: str, surname: str, given: str, function: str, scope: str, *languages: str) -> Worker:
    phone = f"00000 77-{id_[-3:]}"
    return Worker(
        id=id_,
        surname=surname,
        given_name=given,
        function=function,
        scope=scope,
        phone=phone,
        languages=languages,
    )


JOBCENTER_STAFF = (
    _worker("SB0101", "Deichgraf-Muster", "Ella", "FM", "A-F", "de"),
    _worker("SB0102", "Önderliman", "Cem", "FM", "G-K", "de", "tr"),
    _worker("SB0103", "Prüfstein", "Jörg", "FM", "L-R", "de"),
    _worker("SB0104", "Vasilkova-Test", "Mila", "FM", "S-Z", "de", "bg"),
    _worker("SB0105", "Kontorhaus", "Heike", "FM", "A-F", "de"),
    _worker("SB0201", "Zahlmeister-Probe", "Rolf", "LST", "A-K", "de"),
    _worker("SB0202", "Rechenberg-Probe", "Ute", "LST", "L-Z", "de"),
)
YOUTH_OFFICE_STAFF = (
    _worker("FK-017", "Ankerwald", "Lena", "ASD", "Nord", "de"),
    _worker("FK-018", "Göksuyolu", "Selin", "ASD", "Hafen", "de", "tr"),
    _worker("FK-019", "Heckenrain", "Björn", "ASD", "Altstadt", "de"),
    _worker("FK-020", "Bregovska", "Nina", "ASD", "Süd", "de", "bg"),
    _worker("FK-031", "Kostenfeld", "Gerd", "WJH", "Seestadt", "de"),
)


def initial(surname: str) -> str:
    """The letter a surname is filed under: Ö with O."""
    return unicodedata.normalize("NFD", surname)[0].upper()


def by_letter(surname: str, function: str) -> str:
    """Id of the jobcenter worker for that surname; the first whose range covers it."""
    letter = initial(surname)
    return next(
        w.id for w in JOBCENTER_STAFF if w.function == function and w.scope[0] <= letter <= w.scope[-1]
    )


def jobcenter_manager(home: Home) -> str:
    """The case manager of a household goes by the surname of its first member."""
    return by_letter(home.members[0].surname, "FM")


def youth_office_worker(home: Home, function: str) -> str:
    """The ASD worker of a file goes by the district of the household; the cost unit is one for the town."""
    district = home.members[0].address.district
    return next(
        w.id for w in YOUTH_OFFICE_STAFF if w.function == function and w.scope in (district, "Seestadt")
    )
