"""Real servers as child processes: a broker and a database for tests, `make kafka`, `make postgres` and `hub bench`.

They listen on the loopback address only, live in a temporary folder unless one is named, and die with the process
that started them. A server that is already there is used instead: `HUB_KAFKA_BOOTSTRAP`, `HUB_DATABASE_URL`.
"""

from hub.dev.servers.kafka import LocalKafka, kafka_or_existing
from hub.dev.servers.mariadb import LocalMariaDB
from hub.dev.servers.postgres import LocalPostgres, create_database, drop_database, postgres_or_existing

__all__ = [
    "LocalKafka",
    "LocalMariaDB",
    "LocalPostgres",
    "create_database",
    "drop_database",
    "kafka_or_existing",
    "postgres_or_existing",
]
