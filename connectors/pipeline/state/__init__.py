"""The connector's memory on the agency's disk. Content stands there as keyed hashes alone."""
