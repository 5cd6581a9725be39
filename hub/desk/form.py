"""The printed form: A4, one file without any outside asset, in the family's language, with a place for every hand.

It says what the text of its version says and nothing else, and bears a fresh pairing code. Whoever fills it in at the
desk records the ticks; the paper stays with the agency, the family gets a copy.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files

from hub.desk.offer import Direction
from hub.desk.texts import ConsentText
from hub.desk.ticks import OFFERED_PURPOSES

BOX = '<span class="box" aria-hidden="true"></span>'
NOTICES = ("purpose", "refusal", "withdrawal")


@dataclass(frozen=True, slots=True)
class Printed:
    """A person on the form; what is not known stays a line to write on. `signers`: who must sign, if that is known."""

    name: str = field(default="", repr=False)
    born: str = field(default="", repr=False)
    signers: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class FormPage:
    """What a form is printed from. `names`: agency id → its name; `offered`: direction's key → categories."""

    text: ConsentText
    names: Mapping[str, str]
    directions: Sequence[Direction]
    offered: Mapping[str, Sequence[str]]
    code: str
    persons: Sequence[Printed]

    def html(self) -> str:
        """The whole page."""
        t = self.text
        style = (files("hub.desk") / "form.css").read_text(encoding="utf-8") + self._margin()
        return "\n".join([
            f'<!doctype html>\n<html lang="{t.code}">\n<head>\n<meta charset="utf-8">',
            f"<title>{escape(t.word('title'))}</title>\n<style>\n{style}</style>\n</head>\n<body>",
            f"<header><h1>{self._say('title')}</h1>{self._code()}</header>\n<main>",
            f'<p class="lead">{escape(t.word("lead", **self._kinds()))}</p>',
            *self._notices(), *self._people(), *self._never(), *self._ticks(), *self._conditions(), *self._signatures(),
            f"</main>\n<footer>{self._footer()}</footer>\n</body>\n</html>\n",
        ])  # fmt: skip

    def _say(self, *path: str) -> str:
        return escape(self.text.word(*path))

    def _kinds(self) -> dict[str, str]:
        """The two agencies by their kind, as the lead names them."""
        return {d.sender.kind: self.names[d.sender.controller] for d in self.directions}

    def _code(self) -> str:
        return (
            f'<div class="code"><p class="label">{self._say("form", "code")}</p>'
            f"<p><strong>{escape(self.code)}</strong></p></div>"
        )

    def _notices(self) -> Iterator[str]:
        yield '<section class="notices">'
        for name in NOTICES:
            title, said = self._say("notices", name, "title"), self._say("notices", name, "text")
            yield f"<div><h2>{title}</h2><p>{said}</p></div>"
        yield "</section>"

    def _people(self) -> Iterator[str]:
        yield f'<section class="people"><h2>{self._say("form", "about")}</h2><p>{self._say("own")}</p><table>'
        yield self._heads("number", "person", "born")
        for place, one in enumerate(self.persons, 1):
            yield f'<tr><th scope="row">{place}</th><td>{escape(one.name)}</td><td>{escape(one.born)}</td></tr>'
        yield "</table></section>"

    def _heads(self, *words: str) -> str:
        heads = "".join(f'<th scope="col">{self._say("form", word)}</th>' for word in words)
        return f"<thead><tr>{heads}</tr></thead>"

    def _ticks(self) -> Iterator[str]:
        yield f'<section class="ticks"><p class="write">{self._say("form", "write")}</p><div class="both">'
        for direction in self.directions:
            sender, recipient = self.names[direction.sender.controller], self.names[direction.recipient]
            said = escape(self.text.word("form", "says", sender=sender, recipient=recipient))
            seen = f"{self._say('recipients', direction.kind)} {self._say('recipients', 'unit')}"
            yield f"<div><h2>{said}</h2><p>{seen}</p><table>"
            yield f"<thead>{self._yes_no()}</thead>"
            yield from (self._tick(code) for code in self.offered[direction.key])
            yield "</table></div>"
        yield "</div></section>"

    def _yes_no(self) -> str:
        yes, no = self._say("form", "yes"), self._say("form", "no")
        return f'<tr><td></td><th scope="col">{yes}</th><th scope="col">{no}</th></tr>'

    def _tick(self, code: str) -> str:
        name, said = self._say("categories", code, "name"), self._say("categories", code, "text")
        return f'<tr><th scope="row">{name} <span>{said}</span></th><td>{BOX}</td><td>{BOX}</td></tr>'

    def _never(self) -> Iterator[str]:
        never = [self._say("never", name) for name in ("HI", "A65", "DOC")]
        yield f'<section class="never"><h2>{self._say("never", "title")}</h2><ul>'
        yield from (f"<li>{said}</li>" for said in never)
        yield "</ul></section>"

    def _conditions(self) -> Iterator[str]:
        yield f'<section class="conditions"><h2>{self._say("form", "purposes")}</h2>'
        yield f"<table><thead>{self._yes_no()}</thead>"
        for purpose in self._purposes():
            yield f'<tr><th scope="row">{self._say("purposes", purpose)}</th><td>{BOX}</td><td>{BOX}</td></tr>'
        if any("G9" in codes for codes in self.offered.values()):
            yield f'<tr><th scope="row">{self._say("special", "text")}</th><td>{BOX}</td><td>{BOX}</td></tr>'
        yield '</table><dl class="lines">'
        valid = f"{self._say('form', 'valid')} <small>({self._say('form', 'valid_default')})</small>"
        labels = [valid, *(self._say("form", word) for word in ("worker", "language", "interpreter"))]
        yield from (f"<div><dt>{label}</dt><dd></dd></div>" for label in labels)
        yield "</dl></section>"

    def _purposes(self) -> Sequence[str]:
        """Those for which an agency of this pair may ask (domain D: benefits are the jobcenter's)."""
        kinds = {direction.kind for direction in self.directions}
        asked = {"joint_case_management"}
        asked |= {"cost_contribution"} if "youth_welfare" in kinds else set()
        asked |= {"benefit_administration"} if "jobcenter" in kinds else set()
        return [purpose for purpose in OFFERED_PURPOSES if purpose in asked]

    def _signatures(self) -> Iterator[str]:
        yield f'<section class="signatures"><h2>{self._say("form", "signature")}</h2><table>'
        yield self._heads("number", "person", "place_date", "signature")
        for place, one in enumerate(self.persons, 1):
            yield from self._lines(place, one)
        if not any(one.name for one in self.persons):
            yield from [self._custodian()] * len(self.persons)
        yield f"</table><p>{self._say('form', 'code_text')} {self._say('form', 'copy')}</p></section>"

    def _lines(self, place: int, one: Printed) -> Iterable[str]:
        """A line for the person, or for each of those who sign for it."""
        for signer in one.signers or (one.name,):
            small = f"<small>{self._say('form', 'for_person')} {escape(one.name)}</small>"
            said = escape(signer) + (f" {small}" if signer != one.name else "")
            yield f'<tr><th scope="row">{place}</th><td>{said}</td><td></td><td></td></tr>'

    def _custodian(self) -> str:
        """On an empty form nobody knows yet who signs for whom."""
        whom = f"{self._say('form', 'for_person')} {self._say('form', 'number')} ____"
        said = f"<small>{self._say('form', 'custodian')}, {whom}</small>"
        return f'<tr><th scope="row"></th><td>{said}</td><td></td><td></td></tr>'

    def _margin(self) -> str:
        """Version and page number in the margin of every sheet; a browser that has no margin boxes prints neither."""
        page = self.text.word("form", "page")
        return (
            f'@page {{ @bottom-left {{ content: "{self._footer()}"; font-size: 8pt; }}'
            f' @bottom-right {{ content: "{page} " counter(page) "/" counter(pages); font-size: 8pt; }} }}\n'
        )

    def _footer(self) -> str:
        text = self.text
        return f"{self._say('form', 'version')} {escape(text.id)} · {escape(text.sha256[:23])} · {escape(self.code)}"
