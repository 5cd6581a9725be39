"""What an operator may choose about a worker."""

from dataclasses import dataclass, field

from hub.adapters.log.security import BrokerSecurity


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`bootstrap` as Kafka clients take it; `group` begins the names of the consumer groups; times in seconds.

    `patience`: how long a service may stay away before the worker ends and its supervisor starts it again.
    `session_timeout`: how long the broker waits for a silent worker before others take its partitions.
    `chunk`: records of one partition that share a transaction.
    """

    bootstrap: str
    security: BrokerSecurity = field(default_factory=BrokerSecurity)
    group: str = "hub"
    patience: float = 60.0
    session_timeout: float = 20.0
    chunk: int = 1000
    fetch_bytes: int = 4 * 1024 * 1024
    pace: float = 0.05
    stop_within: float = 40.0
