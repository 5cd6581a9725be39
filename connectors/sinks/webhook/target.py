"""An HTTP address as a target: one request per view.

The body is JSON with all rows of the view; none means that it is taken away. `Fallbruecke-Signature` is HMAC-SHA256
over time and body with a key that both sides hold, so a receiver refuses what is forged or old. `Idempotency-Key` names
view and version: a request that comes again must have no second effect. The answer may say what became of it:
{"answer": "shown" | "deleted" | "kept", "norm": "§ …"}. Nothing of a body or an answer is ever logged.
"""

import hashlib
import hmac
import http.client
import json
import ssl
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, HTTPSHandler, OpenerDirector, Request, build_opener

import orjson
from sqlalchemy import Connection

from connectors.sinks.rows import View
from connectors.sinks.sink import ReceiverAnswer
from connectors.sinks.webhook.config import HookSettings
from hub.errors import DataError, ServiceUnavailable

ANSWERS = frozenset({"shown", "deleted", "kept"})
MOST = 64 * 1024  # bytes of an answer that are read
AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
STUMBLED = 500
"""The receiver stumbles over this very request: again and again, it is this view that waits."""
REFUSED = frozenset({401, 407})  # of the sink itself: no view would be taken
FIRST_WAIT = 0.5  # seconds before the second try; doubled then


class Hook:
    """One address."""

    def __init__(self, settings: HookSettings) -> None:
        self._settings = settings
        context = ssl.create_default_context(cafile=settings.ca_file)
        self._opener: OpenerDirector = build_opener(HTTPSHandler(context=context), _NoRedirect())

    def create(self, connection: Connection) -> None:
        """Nothing to make: the address is the agency's."""

    def replace(
        self, connection: Connection, view: View, new: Sequence[Mapping[str, Any]]
    ) -> ReceiverAnswer | None:
        body = orjson.dumps(_body(view, new))
        return _answer(self._send(body, _once(view, new)))

    def expire(self, connection: Connection, now: datetime) -> None:
        """The receiver is told until when each row may be shown (`gilt_bis`); that is its part."""

    def _send(self, body: bytes, key: str) -> bytes:
        wait = FIRST_WAIT
        for number in range(1, self._settings.tries + 1):
            try:
                with self._opener.open(self._request(body, key), timeout=self._settings.timeout) as answer:
                    found: bytes = answer.read(MOST)
                    return found
            except HTTPError as error:
                with error:
                    cause = f"HTTP {error.code}"
                if error.code == STUMBLED and number == self._settings.tries:
                    raise _refused(error.code) from None
                if 400 <= error.code < 500 and error.code not in AGAIN | REFUSED:
                    raise _refused(error.code) from None
                last = number == self._settings.tries or error.code not in AGAIN
            except (URLError, OSError, http.client.HTTPException) as error:
                last, cause = number == self._settings.tries, type(error).__name__
            if last:
                break
            time.sleep(wait)
            wait *= 2
        raise ServiceUnavailable(
            f"the address does not take the view ({cause})", place="config.settings.url",
            remedy="check the receiver; it is tried again",
        )  # fmt: skip

    def _request(self, body: bytes, key: str) -> Request:
        at = str(int(time.time()))
        signature = hmac.new(self._settings.key, f"{at}.".encode() + body, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/json",
            "Fallbruecke-Time": at,
            "Fallbruecke-Signature": f"sha256={signature}",
            "Idempotency-Key": key,
        }
        return Request(self._settings.url, body, headers, method="POST")  # noqa: S310  the scheme was checked


def _refused(code: int) -> DataError:
    """The receiver's own word on this view: it waits, and the others go on."""
    return DataError(
        f"the receiver refuses the view (HTTP {code})", reason=f"http_{code}", place="config.settings.url",
        remedy="see the receiver's log; it is tried again",
    )  # fmt: skip


class _NoRedirect(HTTPRedirectHandler):
    """A view goes to the address that was configured and nowhere else."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _body(view: View, new: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "fall_ref": view["case_ref"], "rolle": view["role"], "fachkraft": view["worker"] or "",
        "fassung": [view["generation"], view["version"]], "gilt_bis": view["not_after"], "entfernt": not new,
        "angaben": [dict(row) for row in new],
    }  # fmt: skip


def _once(view: View, new: Sequence[Mapping[str, Any]]) -> str:
    """Names this version of this view, telling nothing else. What takes a view away is another request than the view of
    that version: one that the receiver refused comes again, and a removal may go before a long view in parts."""
    parts = [view["case_ref"], view["role"], view["worker"] or "", view["generation"], view["version"]]
    if not new:
        parts.append("taken away")
    return hashlib.sha256(repr(tuple(parts)).encode()).hexdigest()


def _answer(raw: bytes) -> ReceiverAnswer | None:
    """What the receiver said; what is no answer of ours says nothing."""
    try:
        said = json.loads(raw or b"null")
    except ValueError:
        return None
    if not isinstance(said, dict) or said.get("answer") not in ANSWERS:
        return None
    norm = said.get("norm")
    return ReceiverAnswer(said["answer"], norm if isinstance(norm, str) else None)
