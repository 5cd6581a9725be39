"""A system that can only be read whole (an interface that lists all, a file that is always the present state).

Whoever writes a connector gives `System`: its columns and its rows. What changed, what vanished, which version that is,
and whom it concerns, `WholeSource` finds out by keyed hashes.
"""

from connectors.files.memory import Waiting
from connectors.whole.source import System, WholeSource

__all__ = ["System", "Waiting", "WholeSource"]
