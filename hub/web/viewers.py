"""Who looks, until people can log in: a directory of simulated viewers and the families of their offices."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock

from cachetools import FIFOCache

from hub.domain.agencies import Agency
from hub.policy.facts import Recipient


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """A role in an office. `worker` where a consent must name somebody (a coordinator, entrusted data)."""

    key: str
    agency: str
    role: str
    worker: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyChoice:
    """A family as its own office lists it: the office's pseudonym for the address, a label for the eye only."""

    case_ref: str
    label: str = field(repr=False)
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewerDirectory:
    """Viewers, and per agency id the families they are assigned to. `simulated` says that nobody in it is real."""

    viewers: tuple[Viewer, ...]
    families: Mapping[str, tuple[FamilyChoice, ...]] = field(repr=False)
    simulated: bool

    def viewer(self, key: str | None) -> Viewer | None:
        return next((viewer for viewer in self.viewers if viewer.key == key), None)

    def recipient(self, viewer: Viewer, case_ref: str, agency: Agency) -> Recipient:
        """The viewer as the policy sees it: assigned to the families of its own office and to no other (R01)."""
        mine = self.families.get(viewer.agency, ())
        return Recipient(
            controller=agency.id,
            kind=agency.kind,
            role=viewer.role,
            worker=viewer.worker,
            assigned=any(family.case_ref == case_ref for family in mine),
            undertaking=agency.undertaking,
        )


class Sessions:
    """Which viewer a browser chose; kept here, so that the cookie holds a random number and nothing else."""

    def __init__(self, size: int = 1000) -> None:
        self._lock = Lock()
        self._chosen: FIFOCache[str, str] = FIFOCache(size)

    def open(self, viewer: Viewer) -> str:
        """A new session; the oldest leave when there are too many."""
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._chosen[token] = viewer.key
        return token

    def chosen(self, token: str | None) -> str | None:
        """The key of the viewer of this session."""
        with self._lock:
            return self._chosen.get(token or "")
