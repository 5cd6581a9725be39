"""The way of every connector: read (the kind) → map → gate → seal → publish → acknowledge.

Source.refresh/control/read ─► Mapper ─► gate ─► seal ─► Publisher ─► topics
                                 ▲         ▲                 │
              config ────────────┘   Knowledge ◄─ register   └─► State (numbers, hashes, quarantine)

config/   the connector's file as checked values      publish/  names, boxes, numbers that are used once
mapping/  a row as events, pure                       state/    what stands on the agency's disk
gate/     what may leave, and what the gate knows     run/      one step, put together and driven
"""
