"""The store's schema over time: expand → backfill → contract, one revision a step (alembic).

PostgreSQL stores are brought up to date when a process of the hub starts; one does it, the others wait. SQLite
stores of the embedded host are created as the tables stand. A test holds both to the same schema.
"""

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, text

_LOCK = 4_207_611  # any number, as long as every hub process uses the same one


def upgrade(engine: Engine) -> None:
    """Bring a PostgreSQL store to the newest revision."""
    config = Config()
    config.set_main_option("script_location", "hub.adapters.store:migrations")
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
