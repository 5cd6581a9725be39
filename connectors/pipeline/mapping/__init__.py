"""From a row of an export to typed events, or to the reason why the row is held. Pure."""
