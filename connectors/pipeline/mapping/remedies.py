"""Remedies for values that a source cannot give, in the words of its kind. Pure.

A database has a query to correct, a file an export, an interface an answer.
"""

AS_TEXT, AS_LIST = "export it as text", "export it as a plain list"
ONE_VALUE = "leave one value there, or map it to a field that takes several"
_BY_KIND = {
    "sql": {AS_TEXT: "make a text of it in a query", AS_LIST: "make a plain list of it in a query"},
    "sql_outbox": {
        AS_TEXT: "write it into the outbox as text",
        AS_LIST: "write it into the outbox as a plain list",
    },
    "rest": {
        AS_TEXT: "have the interface give it as text",
        AS_LIST: "have the interface give it as a plain list",
    },
}


def fitting(remedy: str, kind: str) -> str:
    """The remedy in the words of this kind of source."""
    for general, own in _BY_KIND.get(kind, {}).items():
        remedy = remedy.replace(general, own)
    return remedy
