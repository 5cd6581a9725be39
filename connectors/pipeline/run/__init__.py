"""One step of a connector: read, publish, commit, republish, backfill."""
