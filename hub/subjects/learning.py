"""Asking for what is known of persons: from memory while their epochs stand, else opened and folded anew."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from sqlalchemy import Connection

from hub.ports import KeyStore
from hub.store import subjects
from hub.subjects.consent_index import index_of, open_rows
from hub.subjects.fold import facts_of
from hub.subjects.knowledge import Knowledge, KnowledgeCache


def learn(
    connection: Connection,
    keys: KeyStore,
    cache: KnowledgeCache,
    wanted: Iterable[str],
    *,
    lock: bool = False,
) -> dict[str, Knowledge]:
    """The control state of these subjects as the open transaction sees it; with `lock`, their epochs cannot rise until
    it ends. Subjects that the hub has never heard of answer with an empty state of epoch 0."""
    names = sorted(set(wanted))
    states = subjects.states(connection, names, share=lock)
    known: dict[str, Knowledge] = {}
    missing: list[subjects.SubjectState] = []
    for name in names:
        state = states.get(name) or subjects.stranger(name)
        cached = cache.get(name, state.epoch) if state.epoch else None
        if cached is None:
            missing.append(state)
        else:
            known[name] = cached
    if missing:
        for name, knowledge in _load(connection, keys, missing, cache.agencies).items():
            known[name] = knowledge
            cache.put(name, knowledge)
    return known


def _load(
    connection: Connection, keys: KeyStore, states: Sequence[subjects.SubjectState], agencies: frozenset[str]
) -> dict[str, Knowledge]:
    households = subjects.households(
        connection, [state.key for state in states if subjects.is_family(state.key)]
    )
    members = {member for household in households.values() for member in household}
    everyone = subjects.states(connection, members) | {state.key: state for state in states}
    aliases = subjects.aliases(connection, {state.person for state in everyone.values()})
    opened = open_rows(connection, keys, {key for of in aliases.values() for key in of} | set(everyone))
    index = index_of(connection, opened, agencies)
    facts = {
        key: facts_of(key, {key, *aliases.get(state.person, ())}, index) for key, state in everyone.items()
    }
    result = {}
    for state in states:
        mine = facts[state.key]
        family = subjects.is_family(state.key)
        members_of = [
            (everyone[key].person, facts[key].control)
            for key in households.get(state.key, ())
            if key in everyone
        ]
        result[state.key] = replace(
            mine,
            person=state.person,
            epoch=state.epoch,
            family=family,
            linked=state.linked and len(aliases.get(state.person, ())) > 1,
            split=state.split,
            members=tuple(members_of) if family else (),
            consents=tuple(replace(consent, subject=state.person) for consent in mine.consents),
        )
    return result
