"""The store: effects, dedupe keys, positions and audit in one SQL transaction, on SQLite and on PostgreSQL.

SQLAlchemy Core is the port here (docs/adr/0002): every function takes the open connection of `Store.transaction()`,
so that what belongs together is committed together. The store never holds content in clear (protocol rule 6).
"""

from hub.store.engine import Store

__all__ = ["Store"]
