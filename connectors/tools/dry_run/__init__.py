"""Looking at what would happen, on the agency's own data, without a broker: nothing is sent from here."""
