"""What the agency's file of aliases means for what was already said under a number's own name.

Nothing takes back what is known under another name, so a number about which something was published cannot silently
become somebody else's. A number that was only read, or only mentioned by others, can: its records were not said yet,
and those that mention it are read and published again.
"""

from collections.abc import Collection

from connectors.runtime.aliases import Aliases
from connectors.runtime.ended import Ended
from connectors.runtime.state import State
from hub.domain.identifiers import Naming
from hub.errors import ConfigurationError

HEEDED = "aliases"


def refuse_spoken_of(numbers: Collection[str], key: Naming, state: State) -> None:
    """Raises ConfigurationError when something that was published under one of these numbers has not ended."""
    ended = Ended(state.db)
    if any(ended.speaks_of(name) for number in numbers for name in key.persons(number)):
        raise ConfigurationError(
            "something was published about a new number as about a person of its own",
            place="config.connector.aliases",
            remedy="erase it (hub subject erase, or ErasureRequested), let the connector heed it, then add the alias",
        )


def heed(aliases: Aliases, key: Naming, state: State) -> None:
    """Where the file says something else than when this state was last used, everybody known is owed a look."""
    told = key.row_hash(repr(sorted(aliases.first.items())).encode()).hex()
    if state.meta(HEEDED) != told:
        with state.transaction():
            state.owe_all()
            state.set_meta(HEEDED, told)
