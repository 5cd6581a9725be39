"""The simulated cast as a directory of viewers: every role of both offices, every household that each office knows."""

from collections.abc import Callable, Iterator, Mapping

from hub.dev.simulate.world import Family, Home, SimulatedWorld
from hub.domain.agencies import Agency
from hub.web.viewers import FamilyChoice, Viewer, ViewerDirectory
from hub.web.wording import word

CaseRef = Callable[[str, str], str]
"""(agency id, its own case number) → its pseudonym, as the agency's connector makes it."""


def cast_directory(
    world: SimulatedWorld,
    agencies: Mapping[str, Agency],
    case_ref: CaseRef,
    workers: Mapping[tuple[str, str], str] | None = None,
) -> ViewerDirectory:
    """A directory of the simulated world; `workers` names who sits in a role: (agency id, role) → worker id."""
    named = workers or {}
    viewers = tuple(
        Viewer(key=f"{agency.id}.{role}", agency=agency.id, role=role, worker=named.get((agency.id, role)))
        for agency in agencies.values()
        for role in agency.roles
    )
    families = {agency.id: tuple(_families(world, agency, case_ref)) for agency in agencies.values()}
    return ViewerDirectory(viewers=viewers, families=families, simulated=True)


def _families(world: SimulatedWorld, agency: Agency, case_ref: CaseRef) -> Iterator[FamilyChoice]:
    for family in world.families:
        for home in family.homes:
            number = home.bg_number if agency.kind == "jobcenter" else home.case_number
            if number is not None:
                yield FamilyChoice(
                    case_ref=case_ref(agency.id, number),
                    label=_label(family, home),
                    note=word("families", family.model.kind),
                )


def _label(family: Family, home: Home) -> str:
    several = f", Haushalt {family.homes.index(home) + 1}" if len(family.homes) > 1 else ""
    return f"Familie {home.members[0].surname}{several}"
