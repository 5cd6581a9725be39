"""Forgetting: keys that go with the last ground, erasure by request, retention.

Forgetting destroys keys first and removes rows after: what a backup, a replica or the log still holds is dark from the
first moment on.
"""
