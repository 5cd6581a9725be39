"""The composition root: the only place where adapters meet stages. Nothing does I/O at import."""

from collections.abc import Sequence
from dataclasses import dataclass

from hub.adapters.clocks import FileClock, SystemClock
from hub.adapters.keys.cache import KeyCache
from hub.adapters.keys.remote import RemoteKeyStore
from hub.adapters.keys.separation import refuse_same_database
from hub.adapters.keys.sql import SqlKeyStore
from hub.adapters.keys.tls import tls_files
from hub.adapters.log import topics
from hub.adapters.log.sqlite import SqliteLog
from hub.config import Settings, load_agencies
from hub.domain.agencies import Agency, by_id
from hub.errors import ConfigurationError
from hub.parts import Parts
from hub.policy.gate import Gate, declared_roles
from hub.policy.load import load_policy, refuse_strangers
from hub.policy.retention import load_retention
from hub.ports import Clock, EventLog, HubKeyStore
from hub.read_models import installed, tables
from hub.sealed.decode import HeaderCache
from hub.store import Store
from hub.subjects.knowledge import KnowledgeCache


@dataclass(frozen=True, slots=True)
class Given:
    """What a caller has made already and the settings should not make again."""

    clock: Clock | None = None
    log: EventLog | None = None
    agencies: Sequence[Agency] = ()


def build_parts(settings: Settings, given: Given | None = None) -> Parts:
    """Everything a hub needs, opened and created where missing; raises ConfigurationError before anything is sent."""
    given = given or Given()
    read_models = installed()
    agencies = tuple(given.agencies) or load_agencies(settings.agencies)
    policy = load_policy(settings.policy_files)
    refuse_strangers(policy, {agency.id for agency in agencies})
    retention = load_retention(settings.retention_file)
    clock = given.clock or build_clock(settings)
    if settings.host == "embedded":
        settings.data.mkdir(parents=True, exist_ok=True)
    keys = build_keys(settings, clock)
    try:
        secret = keys.secret()
        log = given.log or build_log(settings, clock)
    except BaseException:
        keys.close()
        raise
    topics.apply(
        log,
        topics.topic_plan(
            [agency.id for agency in agencies],
            settings.partitions,
            settings.topic_timestamps,
            settings.danger_retention_days,
        ),
    )
    store = Store(settings.store_url)
    store.create(tables(read_models))
    return Parts(
        store=store,
        log=log,
        keys=keys,
        clock=clock,
        gate=Gate(policy, declared_roles(agencies)),
        agencies=by_id(agencies),
        secret=secret,
        read_models=read_models,
        knowledge=KnowledgeCache(
            _bytes(settings.knowledge_cache_mb), agencies=frozenset(agency.id for agency in agencies)
        ),
        heads=HeaderCache(_bytes(settings.head_cache_mb)),
        lease=settings.lease_seconds,
        hold_days=settings.hold_days,
        stale_after=settings.stale_after_seconds,
        retention=retention,
    )


def build_clock(settings: Settings) -> Clock:
    return FileClock(settings.clock_file) if settings.clock_file else SystemClock()


def build_keys(settings: Settings, clock: Clock) -> HubKeyStore:
    """The key service where one is named, else the key database itself; raises ConfigurationError."""
    cache = KeyCache(size=_bytes(settings.key_cache_mb))
    if settings.key_service_url:
        files = tls_files(settings.tls_ca, settings.tls_cert, settings.tls_key)
        return RemoteKeyStore(settings.key_service_url, files, cache=cache)
    refuse_same_database(settings.store_url, settings.key_url)
    return SqlKeyStore(
        settings.key_url, settings.keks(), clock=clock, cache=cache, journal=settings.ledger_path
    )


def _bytes(megabytes: float) -> int:
    return round(megabytes * 2**20)


def build_log(settings: Settings, clock: Clock) -> EventLog:
    """The log of this host; on Kafka the one that produces in batches."""
    if settings.host == "embedded":
        return SqliteLog(settings.data / "log.sqlite", clock)
    if not settings.kafka_bootstrap:
        raise ConfigurationError(
            "no broker is named", place="HUB_KAFKA_BOOTSTRAP", remedy="set it to host:port"
        )
    from hub.adapters.log.fast_kafka import FastKafkaLog

    return FastKafkaLog(settings.kafka_bootstrap, clock=clock, **settings.broker_security().clients())
