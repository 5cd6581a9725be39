"""The read models that are installed: found by entry point, kept up by their stages, told what to forget.

`joint_case` and `consent_register` are the hub's own: what it decides and shows rests on their rows, so an event that
one of them cannot take is quarantined in its stage. Any other is an addition: it works inside a savepoint of the
stage's transaction, and what it cannot take keeps back nobody's withdrawal and nobody's view (rule 14a).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, partial
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any

from sqlalchemy import Connection, Table

from hub import topology
from hub.domain.clock import micros
from hub.errors import ConfigurationError
from hub.isolation import halved, is_outage, note_failure
from hub.parts import Parts
from hub.ports import Forgotten, ProjectedEvent, Projection, RecordPosition
from hub.store import quarantines, subjects
from hub.store.bulk import COLUMN_TYPES
from hub.store.engine import savepoint
from hub.store.quarantines import QuarantinedRecord
from hub.store.read_models import remove_subjects
from hub.store.tables import metadata

GROUP = "hub.projections"
OWN = ("joint_case", "consent_register")
"""Those that the hub itself reads."""
_STAGES = (topology.PROJECT.stage, topology.CONSENTS.stage)
ReadModel = Projection[Any]


@cache
def installed() -> tuple[ReadModel, ...]:
    """Every installed read model, the hub's own first; what is installed does not change while a process runs. Raises
    ConfigurationError for one that cannot be loaded or breaks the contract: without it, its rows would stay behind."""
    entries = sorted(entry_points(group=GROUP), key=lambda entry: (entry.name not in OWN, entry.name))
    return checked([(entry.name, _place(entry), _loaded(entry)) for entry in entries])


def checked(found: Iterable[tuple[str, str, ReadModel]]) -> tuple[ReadModel, ...]:
    """These read models (name of the entry point, place for errors, what it names), if they go together. Raises
    ConfigurationError."""
    models: dict[str, ReadModel] = {}
    taken = set(metadata.tables)
    for name, place, model in found:
        fault = _fault(name, model, taken)
        if name in models:
            fault = "another package has a read model of this name"
        if fault:
            raise ConfigurationError(fault, place=place, remedy="correct or uninstall the package")
        models[name] = model
        taken |= {table.name for table in model.tables}
    if missing := [name for name in OWN if name not in models]:
        raise ConfigurationError(
            f"the hub's own read model {missing[0]} is not installed",
            place=f"entry points {GROUP}",
            remedy="install fallbruecke again",
        )
    return tuple(models.values())


def tables(models: Iterable[ReadModel] | None = None) -> tuple[Table, ...]:
    """The tables of these read models, or of all that are installed."""
    return tuple(table for model in (installed() if models is None else models) for table in model.tables)


def of_stage(parts: Parts, stage: str) -> Iterator[ReadModel]:
    """The read models that hang on a stage."""
    return (model for model in parts.read_models if model.stage == stage)


def quarantine_stage(model: ReadModel) -> str:
    """Under which name the events stand in quarantine that this read model could not take."""
    return model.stage if model.name in OWN else f"{model.stage}.{model.name}"


def apply(connection: Connection, parts: Parts, stage: str, events: Sequence[ProjectedEvent]) -> None:
    """Give these events to every read model of the stage, into its live generation."""
    for model in of_stage(parts, stage):
        live = subjects.live_generation(connection, model.name)
        if model.name in OWN:
            write(connection, model, live, events)
        else:
            _write_alone(connection, parts, model, live, events)


def write(
    connection: Connection, model: ReadModel, generation: int, events: Sequence[ProjectedEvent]
) -> None:
    """Write the rows of these events into one generation; raises whatever the read model does."""
    decoded = [row for event in events if (row := model.decode(event)) is not None]
    if decoded:
        model.apply(connection, generation, decoded)


def forget(connection: Connection, parts: Parts, stage: str, gone: Sequence[Forgotten]) -> Counter[str]:
    """Remove the rows of these from every read model of the stage. Returns how many each table of rows lost; of a read
    model with several tables, under the first. One that fails loses all rows of these subjects."""
    return Counter(
        {
            str(model.tables[0].name): _forget(connection, model, gone) if gone else 0
            for model in of_stage(parts, stage)
        }
    )


def _forget(connection: Connection, model: ReadModel, gone: Sequence[Forgotten]) -> int:
    if model.name in OWN:
        return model.forget(connection, gone)
    try:
        with savepoint(connection):
            return model.forget(connection, gone)
    except Exception as error:
        if is_outage(error):
            raise
        note_failure(quarantine_stage(model), error)
    subjects_gone = {one.subject for one in gone}
    return sum(remove_subjects(connection, table, subjects_gone) for table in model.tables)


def _write_alone(
    connection: Connection, parts: Parts, model: ReadModel, live: int, events: Sequence[ProjectedEvent]
) -> None:
    """Inside a savepoint, by halves where it fails: what stands alone is quarantined for this read model."""
    stage, at = quarantine_stage(model), micros(parts.clock.now())

    def take(some: Sequence[ProjectedEvent]) -> None:
        with savepoint(connection):
            write(connection, model, live, some)

    halved(events, take, partial(_quarantine, connection, stage, at))


def _quarantine(connection: Connection, stage: str, at: int, event: ProjectedEvent, error: Exception) -> None:
    place = event.record.place
    reason = note_failure(stage, error, topic=place.topic, partition=place.partition, offset=place.offset)
    quarantines.put(connection, stage, [QuarantinedRecord(place, _alone(place), reason)], at)


def _alone(place: RecordPosition) -> str:
    """Nothing waits behind it: versions, not order, decide what stands in a read model."""
    return str(place)


def _place(entry: EntryPoint) -> str:
    return f"entry point {GROUP}: {entry.name} = {entry.value}"


def _loaded(entry: EntryPoint) -> ReadModel:
    """The `projection` of the module that an entry point names. Raises ConfigurationError."""
    try:
        module = entry.load()
    except Exception as error:
        raise ConfigurationError(
            f"the read model cannot be loaded ({type(error).__name__})",
            place=_place(entry),
            remedy="repair or uninstall the package",
        ) from error
    found = vars(module).get("projection") if isinstance(module, ModuleType) else None
    if not isinstance(found, Projection):
        raise ConfigurationError(
            "the module has no `projection` with all members of hub.ports.Projection",
            place=_place(entry),
            remedy="see docs/contributing/add-a-read-model.md",
        )
    return found


def _fault(name: str, model: ReadModel, taken: set[str]) -> str:
    """How a read model breaks the contract; "" where it keeps it."""
    if model.name != name:
        return f"the read model calls itself {model.name}"
    if model.stage not in _STAGES:
        return f"no read model can hang on the stage {model.stage}; it is one of {', '.join(_STAGES)}"
    if not model.tables:
        return "the read model has no table"
    names = [table.name for table in model.tables]
    if clash := sorted(taken.intersection(names)):
        return f"the table {clash[0]} belongs to the hub or to another read model"
    return next((fault for table in model.tables if (fault := _table_fault(table))), "")


def _table_fault(table: Table) -> str:
    if "generation" not in {column.name for column in table.primary_key.columns}:
        return f"the primary key of {table.name} lacks the column generation"
    if "subject" not in table.columns:
        return f"the table {table.name} lacks the column subject"
    strange = [column.name for column in table.columns if type(column.type) not in COLUMN_TYPES]
    return f"the column {table.name}.{strange[0]} has a type that the store does not write" if strange else ""
