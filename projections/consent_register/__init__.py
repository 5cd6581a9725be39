"""The consent register: consents, withdrawals, objections, links, birth dates, custody, all sealed as they came."""
