"""What the hub talks about: envelopes, identifiers, consents and the control state folded from them. Pure."""
