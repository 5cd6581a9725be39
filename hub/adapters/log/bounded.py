"""Calls that end in time, whatever the library below does when its broker is gone."""

import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from kafka.errors import KafkaError

from hub.adapters.log.problems import of_kafka, unavailable
from hub.errors import ConfigurationError

T = TypeVar("T")
_KNOCK = 2.0  # seconds


def require_listener(bootstrap: str) -> None:
    """Raises ServiceUnavailable unless somebody listens at one of the addresses.

    Asked before a client is made, because kafka-python leaves threads and sockets behind when it cannot connect.
    """
    for address in bootstrap.split(","):
        host, _, port = address.strip().rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=_KNOCK).close()
        except ValueError:
            raise ConfigurationError(
                "this is no address", place="HUB_KAFKA", remedy="write host:port,…"
            ) from None
        except OSError:
            continue
        return
    raise unavailable("nobody listens", bootstrap)


class Bounded:
    """Runs blocking calls on a few threads of its own and gives them up at their deadline."""

    def __init__(self, threads: int = 4) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="event-log")

    def call(self, work: Callable[[], T], deadline: float, place: str) -> T:
        """What `work` returns within `deadline` seconds; raises ServiceUnavailable afterwards.

        A call that was given up still ends on its thread, by its library's own time limit.
        """
        future = self._threads.submit(work)
        try:
            return future.result(deadline)
        except TimeoutError:
            future.cancel()
            raise unavailable("no answer in time", place) from None
        except KafkaError as error:
            raise of_kafka(error, place) from None

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
