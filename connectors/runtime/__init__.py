"""What every connector shares: read (the kind) → map → gate → seal → publish → acknowledge.

Source.refresh/control/read ─► Mapper ─► EgressGate ─► seal ─► Publisher ─► topics
                                 ▲           ▲                    │
                 configuration ──┘   Knowledge ◄── Register       └─► State (numbers, hashes, quarantine)
"""
