"""Looks at an agency's export or database and proposes a mapping, for a person to read before anything runs."""
