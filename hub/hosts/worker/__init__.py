"""A worker process on Kafka: its roles and periodic tasks, signals, retries and exit.

The store decides where the process reads (`offsets`). A failure is tried again (`retry`) or ends the process (`exit`)
under a supervisor (`supervise`). Faust fetches for it (`hub.hosts.faust`).
"""
