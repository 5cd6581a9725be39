"""The agencies that take part, and who in them may be a recipient."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

ROLES_BY_KIND: Mapping[str, tuple[str, ...]] = {
    "jobcenter": ("jc_case_manager", "jc_benefits", "coordinator"),
    "youth_welfare": ("ja_asd", "ja_wjh", "coordinator"),
    "provider": ("provider_worker", "coordinator"),
    "social_office": ("office_clerk",),
}
"""The recipient roles that an agency of a kind has unless its entry says otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agency:
    """One controller: a functional unit, not a Kreis (§ 67(4) SGB X).

    `roles` may receive joint views; `undertaking` says that the written undertaking of § 78 SGB X is on file.
    """

    id: str
    kind: str
    name: str
    roles: tuple[str, ...]
    undertaking: bool = False


def default_agency(agency_id: str, kind: str, name: str = "", *, undertaking: bool = False) -> Agency:
    """An agency with all the roles of its kind."""
    return Agency(
        id=agency_id, kind=kind, name=name or agency_id, roles=ROLES_BY_KIND[kind], undertaking=undertaking
    )


TWO_AGENCIES = (
    default_agency("jobcenter", "jobcenter", "Jobcenter"),
    default_agency("jugendamt", "youth_welfare", "Jugendamt"),
)
"""A jobcenter and a youth office, where nobody named any."""

Agencies = Mapping[str, Agency]


def by_id(agencies: Sequence[Agency]) -> Agencies:
    return {agency.id: agency for agency in agencies}
