"""The language in which agencies' commands speak: German, or English with `--lang en`.

Errors, remedies, the option parser's complaints and the reports of these commands stand in the code in English.
`messages_de.toml` has the German of each, with `{}` for the values; a test finds every message in the code and fails
for one that has none. A command prints a `Message`, which only `message` and `verbatim` make.
"""

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from functools import cache, lru_cache, wraps
from importlib.resources import files
from inspect import Parameter, Signature, signature
from typing import Annotated, Any, Literal, NewType, TypeVar

import typer

from hub.cli.output import AsJson, note_json
from hub.errors import HubError

Language = Literal["de", "en"]
Message = NewType("Message", str)
"""A text in the spoken language, or one that is the same in each."""
Verb = TypeVar("Verb", bound=Callable[..., None])
AGENCY = frozenset({"connect", "consent", "work", "danger"})
"""Verbs that agencies call: they speak German, or English with `--lang en`; all others speak English."""
_SPOKEN: ContextVar[Language] = ContextVar("language", default="de")
_NOT_SEARCHED = frozenset({"reports", "operators", "check"})
"""Tables of the catalogue whose entries `message` looks up by their template; no error is compared with them."""


Lang = Annotated[
    Language | None, typer.Option("--lang", help="Sprache der Meldungen; sonst Deutsch")
]  # before or after the verb; the last one counts


_AsJson = Annotated[
    bool,
    typer.Option(
        "--json", callback=note_json, help="ein JSON-Objekt auf der Standardausgabe, auch für Fehler"
    ),
]


class AgencyTyper(typer.Typer):
    """Verbs of an agency: each takes `--lang`, as does the group before them, and speaks German without it."""

    def __init__(self, *, name: str | None = None, help: str) -> None:  # noqa: A002 - as Typer calls it
        super().__init__(name=name, help=help, no_args_is_help=True, pretty_exceptions_enable=False)
        self.callback()(_language_of_group)

    def command(self, *args: Any, **how: Any) -> Callable[[Verb], Verb]:
        """As `typer.Typer.command`."""
        add = super().command(*args, **how)

        def added(verb: Verb) -> Verb:
            add(_speaking(verb))
            return verb

        return added


def _language_of_group(ctx: typer.Context, lang: Lang = None) -> None:
    if lang or ctx.parent is None:
        speak(lang or "de")


def _speaking(verb: Callable[..., None]) -> Callable[..., None]:
    """The verb with an option `--lang`, and its `--json` explained in German."""

    @wraps(verb)
    def call(*args: Any, lang: Language | None, **named: Any) -> None:
        if lang:
            speak(lang)
        verb(*args, **named)

    option = Parameter("lang", Parameter.KEYWORD_ONLY, default=None, annotation=Lang)
    parameters = [
        one.replace(annotation=_AsJson) if one.annotation is AsJson else one
        for one in signature(verb).parameters.values()
    ]
    call.__annotations__ = {one.name: one.annotation for one in (*parameters, option)}
    call.__signature__ = Signature([*parameters, option])  # type: ignore[attr-defined]
    return call


def language_of(words: Sequence[str]) -> tuple[str, Language]:
    """The verb that is called and its language, before the options are read: a wrong option is complained of too."""
    left, asked = list(words), ""
    verb = ""
    while left:
        word = left.pop(0)
        if word == "--lang":
            asked = left.pop(0) if left else ""
        elif word.startswith("--lang="):
            asked = word.removeprefix("--lang=")
        elif word == "--":
            break
        elif not verb and not word.startswith("-"):
            verb = word
    return verb, "en" if asked == "en" or verb not in AGENCY else "de"


def speak(language: Language) -> None:
    """From now on messages are in this language."""
    _SPOKEN.set(language)


def spoken() -> Language:
    return _SPOKEN.get()


def message(template: str, *values: object, **named: object) -> Message:
    """The template in the language that is spoken, with the values put in as they are."""
    text = catalogue().get(template, template) if spoken() == "de" else template
    return Message(text.format(*values, **named))


def word_of(words: Mapping[str, str], code: str) -> Message:
    """The message of a code, or the code itself where the table has none."""
    return message(words[code]) if code in words else verbatim(code)


def verbatim(text: object) -> Message:
    """Data, or a text that is in the spoken language already."""
    return Message(str(text))


def said(text: str) -> Message:
    """A message or remedy in the language that is spoken."""
    return Message(in_german(text) if spoken() == "de" else text)


def error_said(error: HubError) -> Message:
    """The error as one line, as `str` gives it, in the language that is spoken."""
    where = f"{said(error.place)}: " if error.place else ""
    then = f" → {said(error.remedy)}" if error.remedy else ""
    return Message(f"{where}{said(error.message)}{then}")


@lru_cache(maxsize=4096)
def in_german(text: str) -> str:
    """The German of a message; a text that no entry matches stays as it is."""
    exact = _of_errors().get(text)
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
    return {english: german for table in _tables().values() for english, german in table.items()}


@cache
def _tables() -> Mapping[str, Mapping[str, str]]:
    return tomllib.loads(files("hub.cli").joinpath("messages_de.toml").read_text(encoding="utf-8"))


@cache
def _of_errors() -> Mapping[str, str]:
    tables = (table for name, table in _tables().items() if name not in _NOT_SEARCHED)
    return {english: german for table in tables for english, german in table.items()}


@cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    """The entries with something put in, those that say most first."""
    entries = [(english, german) for english, german in _of_errors().items() if "{}" in english]
    entries.sort(key=lambda entry: -len(entry[0].replace("{}", "")))
    return [(_pattern(english), german) for english, german in entries]


def _pattern(english: str) -> re.Pattern[str]:
    return re.compile("(.*?)".join(map(re.escape, english.split("{}"))), re.DOTALL)


def _filled(german: str, parts: Iterable[str]) -> str:
    """`{}` are filled in order, `{0}`, `{1}` … by their number."""
    named = list(parts)
    rest = iter(named)
    return re.sub(r"\{(\d*)\}", lambda at: named[int(at[1])] if at[1] else next(rest), german)
