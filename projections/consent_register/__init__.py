"""The consent register: consents, withdrawals, objections, links, birth dates, custody, all sealed as they came.

The hub folds a person's consents from its rows (`hub.subjects`), and the stage consents asks it what it knows already:
those use `queries` directly.
"""

from projections.consent_register.model import ConsentRegister

projection = ConsentRegister()
