"""kafka-python's network client, which says when the broker refuses the account.

As it comes (3.0), it takes a wrong password for a broker that does not answer, and tries again until its deadline. What
went wrong while a connection was made is told to that connection only; and a last word that comes together with the end
of the connection, as this one mostly does, is thrown away unread. Here it is read, and the next call for the broker
hears of it; once, so that an account whose password was corrected gets in.
"""

from typing import Any

from kafka.errors import SaslAuthenticationFailedError
from kafka.net.compat import KafkaNetClient
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector


class TellingManager(KafkaConnectionManager):  # type: ignore[misc]  # the library has no types
    """Keeps a refusal until somebody wants that broker again."""

    def __init__(self, net: Any, **settings: Any) -> None:
        self._refusals: dict[Any, BaseException] = {}
        super().__init__(net, **settings)

    def maybe_raise_auth_failure(self, node_id: Any) -> None:
        """Raises SaslAuthenticationFailedError."""
        if refusal := self._refusals.pop(node_id, None):
            raise refusal

    async def _connect(self, node: Any, conn: Any, *args: Any, **options: Any) -> None:
        await super()._connect(node, conn, *args, **options)
        conn.init_future.add_errback(lambda error: self._note(node.node_id, error))

    async def _build_transport(self, node: Any, *args: Any, **options: Any) -> Any:
        transport = await super()._build_transport(node, *args, **options)
        receive = transport._sock_recv  # noqa: SLF001  nothing public stands between socket and protocol
        transport._sock_recv = lambda: data_first(*receive())  # noqa: SLF001
        return transport

    def _note(self, node_id: Any, error: BaseException) -> None:
        if isinstance(error, SaslAuthenticationFailedError):
            self._refusals[node_id] = error


def data_first(data: bytes, error: BaseException | None) -> tuple[bytes, BaseException | None]:
    """What came before the end; the end is met again by the next look at the socket."""
    return (data, None) if data else (data, error)


def telling_client(**settings: Any) -> Any:
    """For the setting `kafka_client` of kafka-python's clients."""
    net = NetworkSelector(**settings)
    return KafkaNetClient(net=net, manager=TellingManager(net, **settings))
