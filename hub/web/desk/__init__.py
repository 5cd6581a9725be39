"""The consent desk's pages: signing table, sight of the other office, copy, withdrawal."""
