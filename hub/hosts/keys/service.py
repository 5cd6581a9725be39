"""What the key service answers to whom: everything to the hub, its own controller's keys to a connector."""

from collections.abc import Callable, Collection, Mapping
from http import HTTPStatus
from typing import Any

import structlog

from hub.adapters.keys import wire
from hub.adapters.keys.source import KeySource
from hub.adapters.keys.tls import Peer
from hub.errors import ConfigurationError, DataError, HubError, KeysAreOlder, ServiceUnavailable, TryAgain
from hub.hosts.keys.shares import Shares
from hub.ports import KeyRef

log = structlog.get_logger()
Answer = tuple[HTTPStatus, dict[str, Any]]


class KeyService:
    """Answers questions of `hub.adapters.keys.wire` from a source; `controllers` are those that take part, and `shares`
    says how much of it each of them may take.

    It keeps no key in memory: every answer is what the database holds at that moment. Many threads may ask at once.
    """

    def __init__(self, source: KeySource, controllers: Collection[str], shares: Shares | None = None) -> None:
        self._source, self.controllers = source, frozenset(controllers)
        self._shares = shares or Shares()
        self._for_all: Mapping[str, Callable[[Peer, Any], dict[str, Any]]] = {
            "seal": self._seal,
            "open": self._open,
        }
        self._for_hub: Mapping[str, Callable[[Any], dict[str, Any]]] = {
            "fence": self._fence,
            "destroy": self._destroy,
            "ledger": lambda _: {"ledger": [wire.certificate(one) for one in source.ledger()]},
            "replay": self._replay,
            "standing": self._standing,
            "secret": lambda _: {"secret": wire.text(source.secret())},
        }

    def answer(self, peer: Peer | None, verb: str, question: Any) -> Answer:
        """The status and the answer; what is refused says why, and never quotes the question."""
        try:
            return HTTPStatus.OK, self._answer(self._known(peer), verb, question)
        except KeysAreOlder as error:  # a connector waits for the end of it, the hub's processes stop
            hub = peer is not None and peer.role == "hub"
            return (HTTPStatus.CONFLICT if hub else HTTPStatus.SERVICE_UNAVAILABLE), _said(error)
        except ConfigurationError as error:
            log.warning("keys.refused", role=peer.role if peer else "unknown", verb=verb)
            return HTTPStatus.FORBIDDEN, _said(error)
        except DataError as error:
            return HTTPStatus.BAD_REQUEST, _said(error) | {"reason": error.reason}
        except TryAgain as error:
            log.warning("keys.busy", controller=peer.controller if peer else "unknown", verb=verb)
            return HTTPStatus.TOO_MANY_REQUESTS, _said(error)
        except ServiceUnavailable as error:
            return HTTPStatus.SERVICE_UNAVAILABLE, _said(error)

    def _answer(self, peer: Peer, verb: str, question: Any) -> dict[str, Any]:
        if not isinstance(question, dict):
            raise wire.malformed()
        if verb in self._for_all and peer.role == "hub":
            return self._for_all[verb](peer, question)
        if verb in self._for_all:
            refs = question.get("refs")
            with self._shares.turn(peer.controller, len(refs) if isinstance(refs, list) else 0):
                return self._for_all[verb](peer, question)
        if verb in self._for_hub and peer.role == "hub":
            return self._for_hub[verb](question)
        if verb not in self._for_hub:
            raise wire.malformed()
        raise ConfigurationError(
            "this question is out of reach for a connector: only the hub may ask it",
            place=f"/v1/{verb}",
            remedy="give the process the hub's certificate, or let the hub do it",
        )

    def _known(self, peer: Peer | None) -> Peer:
        """Who may ask at all: an agency that takes part no longer may not, whatever its certificate says."""
        if peer is None or (peer.role == "connector" and peer.controller not in self.controllers):
            raise ConfigurationError(
                "this certificate belongs to nobody who takes part",
                place="key service",
                remedy="its alternative name must be urn:fallbruecke:hub or urn:fallbruecke:connector:<agency>",
            )
        return peer

    def _seal(self, peer: Peer, question: dict[str, Any]) -> dict[str, Any]:
        refs = [wire.ref_of(one) for one in _list(question.get("refs"))]
        for ref in refs:
            _allow(peer, ref)
        keys = self._source.newest(refs)
        return {"keys": [[keys[ref].version, wire.text(keys[ref].reveal())] for ref in refs]}

    def _open(self, peer: Peer, question: dict[str, Any]) -> dict[str, Any]:
        wanted = [wire.wanted_of(one) for one in _list(question.get("wanted"))]
        for ref, _ in wanted:
            _allow(peer, ref)
        found = self._source.versions(wanted)
        return {"answers": [wire.answer(found[one]) for one in wanted]}

    def _fence(self, question: dict[str, Any]) -> dict[str, Any]:
        ref = wire.ref_of(question.get("ref"))
        self._source.fence(ref)
        log.info("keys.fenced", kind=ref.kind, controller=ref.controller)
        return {"done": True}

    def _destroy(self, question: dict[str, Any]) -> dict[str, Any]:
        ref = wire.ref_of(question.get("ref"))
        proof = self._source.destroy(ref)
        log.info("keys.destroyed", kind=ref.kind, controller=ref.controller, versions=len(proof.versions))
        return {"certificate": wire.certificate(proof)}

    def _replay(self, question: dict[str, Any]) -> dict[str, Any]:
        lived = self._source.replay([wire.certificate_of(one) for one in _list(question.get("ledger"))])
        log.info("keys.replayed", lived=lived)
        return {"lived": lived}

    def _standing(self, question: dict[str, Any]) -> dict[str, Any]:
        reached = question.get("reached")
        if not isinstance(reached, int):
            raise wire.malformed()
        return {"standing": list(self._source.standing(reached))}


def _allow(peer: Peer, ref: KeyRef) -> None:
    if peer.role == "connector" and peer.controller != ref.controller:
        raise _out_of_reach(peer.controller)


def _out_of_reach(place: str) -> ConfigurationError:
    return ConfigurationError(
        "another controller's keys are out of reach here", place=place, remedy="check the agency's id"
    )


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list) or len(value) > wire.MOST:
        raise wire.malformed()
    return value


def refused(agency: str) -> Answer:
    """What a connection is told that is one too many."""
    return HTTPStatus.TOO_MANY_REQUESTS, {
        "error": f"too many connections of {agency} to the key service",
        "place": "key service",
        "remedy": "end processes of it that are not needed; HUB_KEY_CONNECTIONS at the key service allows more",
    }


def _said(error: HubError) -> dict[str, Any]:
    return {"error": error.message, "place": error.place, "remedy": error.remedy}
