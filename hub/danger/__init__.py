"""Danger reports (§ 8a SGB VIII, § 4 KKG): from a reporter to the youth welfare office's intake, three flags back.

    reporter: content ──► sealing ──► box (its own file) ──► agency.<reporter>.danger
                                                                     │ only the intake's private key opens it
    intake:   agency.<intake>.danger-answers ◄── box ◄── acknowledge, answer ◄── inbox

It needs the event log and nothing else of the hub: no store, no key service, no consent, no worker. It fails open to
the intake: what cannot be read arrives all the same, marked. An ordinary connector cannot reach these topics.
"""
