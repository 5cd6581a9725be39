"""A joint case as one recipient may see it: case file, redaction, view plan, record, and the opened view."""
