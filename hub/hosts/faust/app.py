"""The Faust app of a worker: agents, topics, and everything switched off that would act on its own.

No tables, no exactly-once mode, no web server, no model serialization, no waiting for acknowledgements in a rebalance:
the store's positions fence what two workers read at the same time.
"""

from collections.abc import AsyncIterable, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import faust
import faust.auth

from hub.adapters.log.security import BrokerSecurity
from hub.hosts.faust.transport import BatchTransport, Where
from hub.hosts.worker.options import Options
from hub.hosts.worker.roles import ReadingTask
from hub.ports import Record

Handle = Callable[[ReadingTask, Sequence[Record]], Awaitable[None]]
_NEVER_FULL = (
    100_000  # chunks before an agent: the transport holds back before that, without blocking the others
)


def build_app(
    group: str,
    readings: Sequence[ReadingTask],
    options: Options,
    *,
    where: Where,
    handle: Handle,
    folder: Path,
) -> faust.App:
    """An app whose agents give each chunk to `handle` and acknowledge it afterwards; must be made in its event loop."""
    app = faust.App(
        group,
        broker=f"kafka://{options.bootstrap.replace(',', ';')}",
        broker_credentials=_credentials(options.security),
        datadir=str(folder),
        store="memory://",
        web_enabled=False,
        key_serializer="raw",
        value_serializer="raw",
        topic_allow_declare=False,
        topic_disable_leader=True,
        table_standby_replicas=0,
        stream_wait_empty=False,
        stream_buffer_maxsize=_NEVER_FULL,
        consumer_max_fetch_size=options.fetch_bytes,
        consumer_auto_offset_reset="earliest",
        broker_session_timeout=options.session_timeout,
        broker_heartbeat_interval=options.session_timeout / 5,
        broker_rebalance_timeout=max(options.session_timeout, 10.0),
        broker_commit_interval=1.0,
        broker_request_timeout=options.patience + 30.0,
    )
    app.transport = BatchTransport(app.conf.broker_consumer, app, where=where, chunk=options.chunk)
    for reading in readings:
        topic = app.topic(*reading.topics, value_type=bytes, key_serializer="raw", value_serializer="raw")
        app.agent(topic, name=reading.stage, concurrency=1)(_agent(reading, handle))
    return app


def _credentials(security: BrokerSecurity) -> faust.auth.Credentials | None:
    """The same as `BrokerSecurity.clients`, in Faust's words."""
    if security.protocol == "plaintext":
        return None
    if security.protocol == "ssl":
        return faust.SSLCredentials(security.context())
    return faust.SASLCredentials(
        username=security.user,
        password=security.password(),
        ssl_context=security.context(),
        mechanism=security.mechanism,
    )


def _agent(reading: ReadingTask, handle: Handle) -> Callable[[Any], Awaitable[None]]:
    async def agent(stream: Any) -> None:
        events: AsyncIterable[Any] = stream.noack().events()
        async for event in events:
            await handle(reading, event.value)
            event.ack()

    return agent
