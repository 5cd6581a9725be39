"""Work that an operator starts: rebuild, quarantine release, recovery after a restore, audit."""
