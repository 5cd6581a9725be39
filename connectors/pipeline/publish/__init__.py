"""From a judged event to a record of the agency's topic: pseudonyms, keys, boxes, publication numbers."""
