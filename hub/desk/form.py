"""The printed form: A4, one file without any outside asset, in the family's language, with a place for every hand.

It says what the text of its version says and nothing else, and bears a fresh pairing code. Whoever fills it in at the
desk records the ticks; the paper stays with the agency, the family gets a copy.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hub.desk.offer import Direction
from hub.desk.texts import ConsentText
from hub.desk.ticks import OFFERED_PURPOSES
from hub.pages import render

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
        return render(
            "hub.desk",
            "consent_form.html",
            text=self.text,
            say=self.text.word,
            code=self.code,
            kinds={d.sender.kind: self.names[d.sender.controller] for d in self.directions},
            names=self.names,
            notices=NOTICES,
            directions=self.directions,
            offered=self.offered,
            persons=self.persons,
            known=any(one.name for one in self.persons),
            purposes=self._purposes(),
            special=any("G9" in codes for codes in self.offered.values()),
        )

    def _purposes(self) -> Sequence[str]:
        """Those for which an agency of this pair may ask (domain D: benefits are the jobcenter's)."""
        kinds = {direction.kind for direction in self.directions}
        asked = {"joint_case_management"}
        asked |= {"cost_contribution"} if "youth_welfare" in kinds else set()
        asked |= {"benefit_administration"} if "jobcenter" in kinds else set()
        return [purpose for purpose in OFFERED_PURPOSES if purpose in asked]
