"""How every HTML page of the project is made: a template of its package, filled by Jinja2 with escaping switched on.

A name that the template uses and nobody gives is an error, never an empty place: a page for signatures with a hole in
it would be signed. Imported with the first page, because Jinja2 brings asyncio with it.
"""

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment


def environment(package: str, finalize: Callable[[Any], Any] | None = None) -> "Environment":
    """The templates of a package's folder `templates`; `finalize` is applied to each value before it is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


@cache
def _templates(package: str) -> "Environment":
    return environment(package)


def render(package: str, template: str, **values: object) -> str:
    """The page as text."""
    return _templates(package).get_template(template).render(**values)
