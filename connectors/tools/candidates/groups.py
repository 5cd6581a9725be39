"""Target groups as a reviewed file: each criterion is one that was agreed on, and there are no others."""

import tomllib
from importlib.resources import files
from pathlib import Path

from pydantic import Field

from hub.errors import ConfigurationError, NoInput
from hub.file_models import FileTable, checked


class Group(FileTable):
    """A family belongs to it when every criterion that is set is met.

    Months count back from the day of asking. Ages are whole years on that day; `member_age_*` must be met by one
    member, and a child is a member under 18.
    """

    id: str
    label: str
    benefit_months_at_least: int | None = None
    benefit_months_of: int = 24
    member_age_from: int | None = None
    member_age_to: int | None = None
    adults_exactly: int | None = None
    children_at_least: int | None = None
    members_at_least: int | None = None
    interpreter_needed: bool = False
    help_running: bool = False


class GroupsFile(FileTable):
    group: list[Group] = Field(default_factory=list)


def packaged() -> Path:
    """The groups that ship with the software: a proposal, to be reviewed by each house."""
    return Path(str(files("connectors.tools.candidates") / "target_groups.toml"))


def load_groups(path: Path) -> tuple[Group, ...]:
    """The groups of a file; raises NoInput, or ConfigurationError for a criterion that nobody agreed on."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise NoInput("cannot be read", place=path.name, remedy="name the target-group file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"is no TOML: {error}", place=path.name, remedy="correct the file") from None
    groups = tuple(checked(GroupsFile, raw, path.name).group)
    if not groups:
        raise ConfigurationError("names no group", place=path.name, remedy="add [[group]]")
    for number, group in enumerate(groups):
        if group == Group(id=group.id, label=group.label):
            raise ConfigurationError(
                "has no criterion: everybody would belong",
                place=f"{path.name}.group[{number}]",
                remedy="add one",
            )
    return groups
