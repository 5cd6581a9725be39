"""The language in which agencies' commands speak: German, or English with `--lang en`.

Errors, remedies and the option parser's complaints stand in the code in English. `messages_de.toml` has the German of
each, with `{}` for what is put in; a test finds every message in the code and fails for one that has none.
"""

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from functools import cache, lru_cache, wraps
from importlib.resources import files
from inspect import Parameter, signature
from typing import Annotated, Any, Literal, TypeVar

import typer

from hub.errors import HubError

Language = Literal["de", "en"]
Verb = TypeVar("Verb", bound=Callable[..., None])
_SPOKEN: ContextVar[Language] = ContextVar("language", default="de")


Lang = Annotated[Language, typer.Option("--lang", help="Sprache der Meldungen")]


class AgencyTyper(typer.Typer):
    """Verbs of an agency: each takes `--lang`, and speaks German without it."""

    def command(self, *args: Any, **how: Any) -> Callable[[Verb], Verb]:
        """As `typer.Typer.command`."""
        add = super().command(*args, **how)

        def added(verb: Verb) -> Verb:
            add(_speaking(verb))
            return verb

        return added


def _speaking(verb: Callable[..., None]) -> Callable[..., None]:
    """The verb with an option `--lang`; one that has it already is given it."""
    own = "lang" in signature(verb).parameters

    @wraps(verb)
    def call(*args: Any, lang: Language, **named: Any) -> None:
        speak(lang)
        verb(*args, **named, **({"lang": lang} if own else {}))

    if not own:
        option = Parameter("lang", Parameter.KEYWORD_ONLY, default="de", annotation=Lang)
        given = signature(verb)
        call.__annotations__ = {**verb.__annotations__, "lang": Lang}
        call.__signature__ = given.replace(parameters=[*given.parameters.values(), option])  # type: ignore[attr-defined]
    return call


def speak(language: Language) -> None:
    """From now on messages are in this language."""
    _SPOKEN.set(language)


def spoken() -> Language:
    return _SPOKEN.get()


def said(text: str) -> str:
    """A message or remedy in the language that is spoken."""
    return in_german(text) if spoken() == "de" else text


def error_said(error: HubError) -> str:
    """The error as one line, as `str` gives it, in the language that is spoken."""
    where = f"{said(error.place)}: " if error.place else ""
    then = f" → {said(error.remedy)}" if error.remedy else ""
    return f"{where}{said(error.message)}{then}"


@lru_cache(maxsize=4096)
def in_german(text: str) -> str:
    """The German of a message; a text that no entry matches stays as it is."""
    exact = catalogue().get(text)
    if exact is not None:
        return exact
    for pattern, german in _patterns():
        if found := pattern.fullmatch(text):
            return _filled(german, [in_german(part) for part in found.groups()])
    return text


def catalogue() -> Mapping[str, str]:
    """English → German, `{}` for what is put in."""
    return _catalogue()


@cache
def _catalogue() -> Mapping[str, str]:
    text = files("hub.cli").joinpath("messages_de.toml").read_text(encoding="utf-8")
    return {english: german for table in tomllib.loads(text).values() for english, german in table.items()}


@cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    """The entries with something put in, those that say most first."""
    entries = [(english, german) for english, german in catalogue().items() if "{}" in english]
    entries.sort(key=lambda entry: -len(entry[0].replace("{}", "")))
    return [(_pattern(english), german) for english, german in entries]


def _pattern(english: str) -> re.Pattern[str]:
    return re.compile("(.*?)".join(map(re.escape, english.split("{}"))), re.DOTALL)


def _filled(german: str, parts: Iterable[str]) -> str:
    """`{}` are filled in order, `{0}`, `{1}` … by their number."""
    named = list(parts)
    rest = iter(named)
    return re.sub(r"\{(\d*)\}", lambda at: named[int(at[1])] if at[1] else next(rest), german)
