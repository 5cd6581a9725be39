"""Kinds of sources, one folder each, and what several kinds share: cursor, doubtful rows, full refresh, files."""
