"""The store's schema over time: expand → backfill → contract, one revision a step (alembic).

PostgreSQL stores are brought up to date when a process of the hub starts; one does it, the others wait. SQLite
stores of the embedded host are created as the tables stand. A test holds both to the same schema.
"""

from sqlalchemy import Connection, Engine, text

NEWEST = "0008"
"""The last revision in `versions`; a test holds it to what alembic finds."""

_LOCK = 4_207_611  # any number, as long as every hub process uses the same one


def upgrade(engine: Engine) -> None:
    """Bring a PostgreSQL store to the newest revision. Where it stands there already, alembic is not even loaded: that
    takes a quarter of a process's start. A store that a newer release has migrated stays as it is: revisions only
    expand, so this release goes on with it while both run side by side."""
    with engine.begin() as connection:
        if (_revision(connection) or "") >= NEWEST:
            return
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        _upgrade(connection)


def _revision(connection: Connection) -> str | None:
    """As alembic wrote it down; None in an empty database."""
    if connection.execute(text("SELECT to_regclass('alembic_version')")).scalar_one() is None:
        return None
    found: str | None = connection.execute(
        text("SELECT version_num FROM alembic_version")
    ).scalar_one_or_none()
    return found


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "hub.store:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
