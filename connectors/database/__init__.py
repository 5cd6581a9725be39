"""Access to an agency's SQL database, for sources, sinks and tools: connection, values, statements."""
