"""The key service: a process with a database of its own, to which everybody comes with a certificate."""
