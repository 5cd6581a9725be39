"""Owner codes: who owes or waits, never a name, a worker or another agency's pseudonym."""

import re

FIXED = ("person", "family", "jc_case_manager", "jc_benefits", "ja_asd", "ja_wjh", "coordinator")
_OF_AGENCY = re.compile(r"(provider|office):[^\s:,]+")


def is_owner(code: str) -> bool:
    """Whether this is an owner code; `provider:` and `office:` name a controller."""
    return code in FIXED or bool(_OF_AGENCY.fullmatch(code))
