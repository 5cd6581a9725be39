"""The egress gate of an agency: its knowledge of consents, and its verdict on each event (protocol rule 11)."""
