"""kafka-python's network client, which says when the broker refuses the account.

As it comes (3.0), it takes a wrong password for a broker that does not answer and tries again until its deadline: what
went wrong while a connection was made is told to that connection only. Here the next call for the broker hears it;
once, so that an account whose password was corrected gets in.
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

    def _note(self, node_id: Any, error: BaseException) -> None:
        if isinstance(error, SaslAuthenticationFailedError):
            self._refusals[node_id] = error


def telling_client(**settings: Any) -> Any:
    """For the setting `kafka_client` of kafka-python's clients."""
    net = NetworkSelector(**settings)
    return KafkaNetClient(net=net, manager=TellingManager(net, **settings))
