"""The joint case: the newest version of every admitted record, sealed as it came, found by case."""
