"""`hub connect new`: a connector of two small files, to begin with; it passes the compliance kit as it stands."""

from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from hub.cli.language import message
from hub.cli.messages import print_messages
from hub.cli.output import AsJson, print_json
from hub.errors import UsageError

_PROJECT = """[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "{name}"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = ["fallbruecke[connector]"]

[project.optional-dependencies]
test = ["fallbruecke[kit]"]

[project.entry-points."hub.connectors"]
{name} = "{name}"

[tool.setuptools]
packages = ["{name}"]
"""


def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name des Anschlusses, z. B. fachverfahren_x")],
    folder: Annotated[Path, typer.Option("--in", help="Ordner, in dem er angelegt wird")] = Path(),
    as_json: AsJson = False,
) -> None:
    """Legt einen eigenen Anschluss an: zwei kleine Dateien, die das Prüfprogramm schon besteht."""
    if not name.isidentifier() or not name.islower():
        raise UsageError("is no package name", place="NAME", remedy="small letters, digits, underscore")
    home = folder / name
    if home.exists():
        raise UsageError("is there already", place=name, remedy="choose another name")
    package = home / name
    package.mkdir(parents=True)
    (home / "pyproject.toml").write_text(_PROJECT.format(name=name), encoding="utf-8")
    for file in ("__init__.py", "trial.py"):
        text = files("connectors.kit.example").joinpath(file).read_text(encoding="utf-8")
        text = text.replace('kind="example"', f'kind="{name}"')
        (package / file).write_text(text, encoding="utf-8")
    test = f"cd {home} && pytest --hub-connector {name}:Source"
    if as_json:
        print_json({"files": [str(package / "__init__.py"), str(package / "trial.py")], "test": test})
        return
    print_messages(
        [
            message("Created: {0}/__init__.py (reads) and {0}/trial.py (test bench).", package),
            message("Test:    cd {} && pytest --hub-connector {}:Source", home, name),
            message("Next: in __init__.py replace the class Lines by the code that reads your system."),
        ]
    )
