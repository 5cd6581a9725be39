"""An HTTP address as a target: one request per view.

The body is JSON with all rows of the view; none means that it is taken away. `Fallbruecke-Signature` is HMAC-SHA256
over time and body with a key that both sides hold, so a receiver refuses what is forged or old. `Idempotency-Key` names
view and version: a request that comes again must have no second effect. The answer may say what became of it:
{"answer": "shown" | "deleted" | "kept", "norm": "§ …"}. Nothing of a body or an answer is ever logged.
"""

import hashlib
import hmac
import json
import ssl
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection

from connectors.http import AGAIN, FIRST_WAIT, NotAnswered, failures_as_not_answered, make_client, trusted
from connectors.sinks.rows import View
from connectors.sinks.sink import ReceiverAnswer
from connectors.sinks.webhook.config import HookSettings
from hub.errors import DataError, ServiceUnavailable
from hub.retry import Retry

ANSWERS = frozenset({"shown", "deleted", "kept"})
MOST = 64 * 1024  # bytes of an answer that are read
STUMBLED = 500
"""The receiver stumbles over this very request: again and again, it is this view that waits."""
REFUSED = frozenset({401, 407})  # of the sink itself: no view would be taken


class Hook:
    """One address."""

    def __init__(self, settings: HookSettings) -> None:
        self._settings = settings
        self._tls = trusted(settings.ca_file)

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
        retry = Retry(errors=(NotAnswered,), first=FIRST_WAIT, tries=self._settings.tries)
        try:
            return retry.call(lambda: self._once(body, key))
        except NotAnswered as error:
            if error.status == STUMBLED:
                raise _refused(STUMBLED) from None
            raise _unavailable(error.cause) from None
        except ssl.SSLCertVerificationError as error:
            raise _unavailable(type(error).__name__) from None

    def _once(self, body: bytes, key: str) -> bytes:
        """The beginning of the answer; the connection is new, so that no request meets one that is closing."""
        with (
            failures_as_not_answered(),
            make_client(self._tls, self._settings.timeout, proxies=True) as client,
            client.stream(
                "POST", self._settings.url, content=body, headers=self._headers(body, key)
            ) as answer,
        ):
            status = answer.status_code
            found = _beginning(answer.iter_raw()) if answer.is_success else b""
        if answer.is_success:
            return found
        if status in AGAIN:
            raise NotAnswered(f"HTTP {status}", status=status)
        if 400 <= status < 500 and status not in REFUSED:
            raise _refused(status)
        raise _unavailable(f"HTTP {status}")

    def _headers(self, body: bytes, key: str) -> dict[str, str]:
        at = str(int(time.time()))
        signature = hmac.new(self._settings.key, f"{at}.".encode() + body, hashlib.sha256).hexdigest()
        return {
            "Content-Type": "application/json",
            "Fallbruecke-Time": at,
            "Fallbruecke-Signature": f"sha256={signature}",
            "Idempotency-Key": key,
        }


def _beginning(pieces: Iterable[bytes]) -> bytes:
    """As much of an answer as is read."""
    found = b""
    for piece in pieces:
        found += piece
        if len(found) >= MOST:
            break
    return found[:MOST]


def _unavailable(cause: str) -> ServiceUnavailable:
    return ServiceUnavailable(
        f"the address does not take the view ({cause})",
        place="config.settings.url",
        remedy="check the receiver; it is tried again",
    )


def _refused(code: int) -> DataError:
    """The receiver's own word on this view: it waits, and the others go on."""
    return DataError(
        f"the receiver refuses the view (HTTP {code})",
        reason=f"http_{code}",
        place="config.settings.url",
        remedy="see the receiver's log; it is tried again",
    )


def _body(view: View, new: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "fall_ref": view["case_ref"],
        "rolle": view["role"],
        "fachkraft": view["worker"] or "",
        "fassung": [view["generation"], view["version"]],
        "gilt_bis": view["not_after"],
        "entfernt": not new,
        "angaben": [dict(row) for row in new],
    }


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
