"""The pairing code of a joint consent form: said aloud, written by hand, typed at the second office. Pure.

Twenty-nine characters that cannot be taken for one another (no 0/O, 1/I/L, U/V, Q), fifteen at random (72 bits) and one
to check. Twenty-nine is prime and every place has a weight of its own, so that any one wrong character and any two
exchanged ones are noticed.
"""

from collections.abc import Callable

ALPHABET = "23456789ABCDEFGHJKMNPRSTVWXYZ"
LENGTH, GROUP = 16, 4


def new_code(choose: Callable[[str], str]) -> str:
    """A fresh code in groups of four; `choose` draws one character, as `secrets.choice` does."""
    body = "".join(choose(ALPHABET) for _ in range(LENGTH - 1))
    return grouped(body + check_character(body))


def check_character(body: str) -> str:
    """The last character of a code whose others are `body`."""
    weighed = sum(weight * ALPHABET.index(one) for weight, one in enumerate(body, 1))
    return ALPHABET[weighed % len(ALPHABET)]


def read_code(typed: str) -> str | None:
    """The code as it is written on the form, or None when something in it was misread. Blanks, hyphens and case do not
    count."""
    plain = "".join(typed.split()).replace("-", "").upper()
    if len(plain) != LENGTH or not set(plain) <= set(ALPHABET):
        return None
    return grouped(plain) if check_character(plain[:-1]) == plain[-1] else None


def grouped(plain: str) -> str:
    """ABCD-EFGH-…"""
    return "-".join(plain[start : start + GROUP] for start in range(0, len(plain), GROUP))
