"""The consent register: every consent, withdrawal, objection, link, birth date, capacity and custody, sealed as it came."""
