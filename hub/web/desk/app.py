"""The consent desk in the browser: the signing table, what opened, and taking it back.

It works with each office's own desk (`hub.desk`), keeps nothing in an address but pseudonyms, and needs no
script: with one, the sight follows every tick. Like the joint view it shows simulated people only, until users can
log in.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from hub.desk.desk import Desk, Family
from hub.desk.texts import LANGUAGES, consent_text, load, versions
from hub.domain.clock import berlin_day
from hub.errors import ServiceUnavailable, UsageError
from hub.parts import Parts
from hub.web.desk.families import Families
from hub.web.desk.input import language_of, scope_of, ticks_of
from hub.web.desk.page import Setting, start_ticks, table_page
from hub.web.desk.posted import Posted, read_posted
from hub.web.desk.sight import Sightings, just_ended
from hub.web.desk.words import desk_words, say
from hub.web.viewers import ViewerDirectory

Endpoint = tuple[str, Callable[..., object], list[str]]
_INTERPRETED = {
    "none": "ohne Dolmetschen",
    "professional": "Dolmetscherin oder Dolmetscher",
    "mediator": "Sprachmittlung",
    "companion": "Begleitperson der Familie",
    "worker": "Fachkraft spricht die Sprache",
}
_WRONG = {
    "nobody has signed": "Es ist noch keine Unterschrift angekreuzt.",
    "nothing is ticked": "Es ist nichts angekreuzt. Wer alles zurücknehmen möchte, tut das unter „Etwas zurücknehmen“.",
    "the pairing code was misread": "Der Code vom Bogen stimmt nicht: bitte in Vierergruppen vergleichen.",
    "everybody needs the number of the form": "Jede Person braucht ihre eigene Nummer vom Bogen.",
}


@dataclass(frozen=True, slots=True)
class At:
    """Where a request is: the desk, the family and the surroundings of its page."""

    desk: Desk
    case: str
    family: Family
    setting: Setting
    posted: Posted

    @property
    def path(self) -> str:
        return f"/desk/{self.desk.config.agency}/{self.case}"

    @property
    def language(self) -> str:
        return self.setting.text.language


class DeskWeb:
    """The endpoints. What reads or writes files runs in a thread; `woken` hears of what there is to publish."""

    def __init__(
        self,
        parts: Parts,
        directory: ViewerDirectory,
        desks: Mapping[str, Desk],
        pages: Environment,
        woken: Callable[[], None],
    ) -> None:
        self._parts, self._directory, self._desks, self._pages, self._woken = (
            parts,
            directory,
            desks,
            pages,
            woken,
        )
        self._families, self._sightings = Families(), Sightings(parts)

    def endpoints(self) -> Sequence[Endpoint]:
        return [
            ("/desk", self.desk_choose, ["GET"]),
            ("/desk/{office}/{case_ref}", self.desk_table, ["GET"]),
            ("/desk/{office}/{case_ref}/vorschau", self.desk_preview, ["POST"]),
            ("/desk/{office}/{case_ref}/erteilen", self.desk_sign, ["POST"]),
            ("/desk/{office}/{case_ref}/stand", self.desk_state, ["GET"]),
            ("/desk/{office}/{case_ref}/widerruf", self.desk_take_back, ["GET"]),
            ("/desk/{office}/{case_ref}/widerrufen", self.desk_withdraw, ["POST"]),
            ("/desk/{office}/{case_ref}/kopie/{process}", self.desk_copy, ["GET"]),
        ]

    async def desk_choose(self, request: Request) -> Response:
        """Which office's desk, which of its families."""
        offices = [
            (self._parts.agencies[agency].name, agency, self._directory.families.get(agency, ()))
            for agency in self._desks
        ]
        return self._page("desk_choose.html", offices=offices, languages=self._languages(), lang="de")

    async def desk_table(self, request: Request) -> Response:
        """The signing table as it lies there at first."""
        return await self._run(request, self._table)

    async def desk_preview(self, request: Request) -> Response:
        """The table with what is ticked; only the sight when a script asks."""
        return await self._run(request, self._preview)

    async def desk_sign(self, request: Request) -> Response:
        """Signed: into the book, and on to what opens."""
        return await self._run(request, self._sign)

    async def desk_state(self, request: Request) -> Response:
        """What the other office sees now, and what became of what was taken back."""
        return await self._run(request, self._state)

    async def desk_take_back(self, request: Request) -> Response:
        """The form to take something back."""
        return await self._run(request, self._take_back)

    async def desk_withdraw(self, request: Request) -> Response:
        """Taken back: into the book, and on to the receipts."""
        return await self._run(request, self._withdraw)

    async def desk_copy(self, request: Request) -> Response:
        """The family's copy: what was signed, word by word."""
        return await self._run(request, self._copy)

    async def _run(self, request: Request, answer: Callable[[Request, At], Response]) -> Response:
        try:
            posted = await read_posted(request)
            at = await asyncio.to_thread(self._at, request, posted)
            return await asyncio.to_thread(answer, request, at)
        except UsageError:
            return self._page("not_found.html", 404)
        except ServiceUnavailable:
            return self._page("unavailable.html", 503)

    def _at(self, request: Request, posted: Posted) -> At:
        office, case = request.path_params["office"], request.path_params["case_ref"]
        desk, now = self._desks.get(office), self._parts.clock.now()
        listed = any(one.case_ref == case for one in self._directory.families.get(office, ()))
        family = self._families.get(desk, case, now) if desk and listed else None
        if desk is None or family is None:
            raise UsageError("no such family at this desk", place="consent desk", remedy="choose again")
        directions = desk.directions()
        setting = Setting(
            office=office,
            names={one.id: one.name for one in self._parts.agencies.values()},
            directions=directions,
            offered={one.key: desk.offered(one, now) for one in directions},
            text=consent_text(language_of(posted), berlin_day(now)),
            at=now,
        )
        return At(desk, case, family, setting, posted)

    def _table(self, request: Request, at: At) -> Response:
        return self._shown(at, first=True)

    def _preview(self, request: Request, at: At) -> Response:
        if request.headers.get("x-part") == "sight":
            return self._shown(at, template="desk_sight.html")
        return self._shown(at)

    def _shown(
        self, at: At, *, template: str = "desk_table.html", first: bool = False, wrong: str = ""
    ) -> Response:
        ticks = start_ticks(at.family, at.setting) if first else ticks_of(at.posted, at.family, at.setting)
        page = table_page(at.family, at.desk.table(at.family, at.setting.at), ticks, at.setting)
        return self._page(
            template,
            422 if wrong else 200,
            page=page,
            ticks=ticks,
            wrong=wrong,
            interpreters=_INTERPRETED,
            standing=any(one.in_force(at.setting.at) for one in at.family.standing),
            **self._common(at),
        )

    def _sign(self, request: Request, at: At) -> Response:
        ticks = ticks_of(at.posted, at.family, at.setting)
        try:
            signed = at.desk.sign(at.family, ticks, at.setting.directions, at.setting.text, at.setting.at)
        except UsageError as error:
            return self._shown(at, wrong=_WRONG.get(error.message, "Bitte prüfen Sie die Angaben."))
        self._changed()
        return RedirectResponse(
            f"{at.path}/stand?lang={at.language}&vorgang={signed.process}", status_code=303
        )

    def _withdraw(self, request: Request, at: At) -> Response:
        scope = scope_of(at.posted, at.setting)
        if "part" in at.posted.get("extent", ()) and not any(scope.values()):
            return self._take_back(request, at, wrong="Es ist nichts angekreuzt.")
        persons = set(at.posted.get("person", ())) or {member.ref for member in at.family.household.members}
        now = at.setting.at
        ids = [one.id for one in at.family.standing if one.subject in persons and one.in_force(now)]
        if not ids:
            return self._take_back(request, at, wrong="Hier ist nichts mehr offen.")
        at.desk.withdraw(at.family, ids, now, scope=scope)
        self._changed()
        return RedirectResponse(f"{at.path}/stand?lang={at.language}&zurueck=1", status_code=303)

    def _take_back(self, request: Request, at: At, wrong: str = "") -> Response:
        return self._page(
            "desk_withdraw.html",
            422 if wrong else 200,
            wrong=wrong,
            setting=at.setting,
            members=at.family.household.members,
            categories=list(dict.fromkeys(code for codes in at.setting.offered.values() for code in codes)),
            recipients=dict.fromkeys(one.recipient for one in at.setting.directions),
            **self._common(at),
        )

    def _state(self, request: Request, at: At) -> Response:
        taken = bool(at.posted.get("zurueck"))
        sights = self._sightings.of(at.desk, at.family, at.setting)
        receipts = self._sightings.receipts(at.family, at.setting) if taken else []
        process = next((one for one in at.posted.get("vorgang", ()) if one.isalnum()), "")
        opened = any(one.entries for sight in sights for one in sight.people)
        underway = not receipts and just_ended(at.family, at.setting.at)
        waiting = any(one.waiting for one in receipts) or (underway if taken else not opened)
        return self._page(
            "desk_state.html",
            sights=sights,
            receipts=receipts,
            taken=taken,
            waiting=waiting,
            process=process,
            here=f"{at.path}/stand?{request.url.query}",
            **self._common(at),
        )

    def _copy(self, request: Request, at: At) -> Response:
        process = request.path_params["process"]
        mine = {grant.process for grant in at.desk.grants()[0] if grant.case_id == at.family.household.id}
        said = at.desk.proof(process) if process in mine else None
        if said is None:
            raise UsageError("no such signing of this family", place="consent desk", remedy="choose again")
        codes = {load(version, one).id: one for version in versions() for one in LANGUAGES}
        language = next((one for id_, one in codes.items() if id_ in said.splitlines()[0]), "de")
        title, number, *lines = said.splitlines()
        return self._page(
            "desk_copy.html",
            title=title,
            number=number,
            lines=lines,
            **self._common(at) | {"lang": _code(language)},
        )

    def _common(self, at: At) -> dict[str, Any]:
        return {
            "w": desk_words(at.language),
            "say": lambda name, **given: say(at.language, name, **given),
            "t": at.setting.text,
            "lang": at.setting.text.code,
            "language": at.language,
            "path": at.path,
            "languages": self._languages(),
            "office": at.setting.names[at.setting.office],
        }

    def _languages(self) -> list[tuple[str, str, str]]:
        today = berlin_day(self._parts.clock.now())
        return [(one, _code(one), consent_text(one, today).word("name")) for one in LANGUAGES]

    def _changed(self) -> None:
        self._families.forget()
        self._woken()

    def _page(self, template: str, status: int = 200, **values: object) -> Response:
        return HTMLResponse(self._pages.get_template(template).render(**values), status)


def _code(language: str) -> str:
    return language.partition("-")[0]
