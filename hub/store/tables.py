"""Every table of the hub's store except the read models' own (projections/*/tables.py).

Keys are text: a subject is `controller:subject_ref`, a case `controller:case_ref`, an event its id in hex. Times are
microseconds since 1970 UTC. No column holds content, a birth date, custody or capacity.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
)

metadata = MetaData()

position = Table(  # rule 13: next offset and topic id, per stage, topic, partition
    "position",
    metadata,
    Column("stage", String, primary_key=True),
    Column("topic", String, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("topic_id", String, nullable=False),
    Column("next_offset", BigInteger, nullable=False),
)
subject = Table(  # rule 10: the epoch row of every person (and family), and whom the hub takes it to be
    "subject",
    metadata,
    Column("key", String, primary_key=True),
    Column("person", String, nullable=False, index=True),
    Column("linked", Boolean, nullable=False),
    Column("split", Boolean, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Column("epoch", BigInteger, nullable=False),
)
former_person = Table(  # rule 7: whom a split took apart, by the name that they shared until it was received
    "former_person",
    metadata,
    Column("subject", String, primary_key=True),
    Column("person", String, primary_key=True),
    Column("until", BigInteger, primary_key=True),
    Index("former_person_person", "person"),
)
coming_of_age = (
    Table(  # rule 10: keyed hashes of the days on which somebody comes of age, per record of a birth date
        "coming_of_age",
        metadata,
        Column("event_id", String, primary_key=True),
        Column("subject", String, nullable=False),
        Column("fifteenth", String, nullable=False),
        Column("eighteenth", String, nullable=False),
        Index("coming_of_age_subject", "subject"),
        Index("coming_of_age_fifteenth", "fifteenth", "subject"),
        Index("coming_of_age_eighteenth", "eighteenth", "subject"),
    )
)
membership = Table(
    "membership",
    metadata,
    Column("subject", String, primary_key=True),
    Column("case_key", String, primary_key=True, index=True),
)
case_link = Table(  # rules 3, 17: links are rows, resolved when reading
    "case_link",
    metadata,
    Column("case_key", String, primary_key=True),
    Column("joint_case", String, nullable=False, index=True),
)
pairing = Table(
    "pairing",
    metadata,
    Column("digest", String, primary_key=True),
    Column("member", Integer, primary_key=True),
    Column("subject", String, primary_key=True),
    Column("case_key", String, nullable=False),
    Column("occurred_at", BigInteger, nullable=False),
    Index("pairing_subject", "subject"),
)
decision = Table(  # what was decided about every event, by which rules; doubles as admission's dedupe table
    "decision",
    metadata,
    Column("event_id", String, primary_key=True),
    Column("publication", Integer, primary_key=True),
    Column("outcome", String, nullable=False),
    Column("rules", String, nullable=False),
    Column("policy_version", String, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("topic", String, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False),
)
held = Table(
    "held",
    metadata,
    Column("event_id", String, primary_key=True),
    Column("publication", Integer, primary_key=True),
    Column("subject", String, nullable=False, index=True),
    Column("epoch", BigInteger, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("reason", String, nullable=False),
    Column("topic", String, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("key", LargeBinary, nullable=False),
    Column("value", LargeBinary, nullable=False),
)
quarantine = Table(  # a place and a reason, never the bytes: the log keeps those
    "quarantine",
    metadata,
    Column("stage", String, primary_key=True),
    Column("topic", String, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("offset", BigInteger, primary_key=True),
    Column("lane", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("released", Boolean, nullable=False),
    Index("quarantine_lane", "stage", "lane"),
)
parked = Table(  # later events of a quarantined event's case, in order: places only
    "parked",
    metadata,
    Column("stage", String, primary_key=True),
    Column("topic", String, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("offset", BigInteger, primary_key=True),
    Column("lane", String, nullable=False),
)
quarantine_item = Table(  # work that is no record (a case, a person, an erasure) and failed alone: rule 14a
    "quarantine_item",
    metadata,
    Column("stage", String, primary_key=True),
    Column("item", String, primary_key=True),
    Column("reason", String, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("number", BigInteger, nullable=False),  # of the mark that failed: a newer one is tried again
)
quarantine_drop = Table(  # quarantined records that an operator gave up: no retry and no rebuild takes them
    "quarantine_drop",
    metadata,
    Column("stage", String, primary_key=True),
    Column("topic", String, primary_key=True),  # of an item: the item
    Column("partition", Integer, primary_key=True),
    Column("offset", BigInteger, primary_key=True),
    Column("cause", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("operator", String, nullable=False),
    Column("at", BigInteger, nullable=False),
)
dirty = Table(
    "dirty",
    metadata,
    Column("case_key", String, primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("urgent", Boolean, nullable=False),
    Column("withdrawn_at", BigInteger),  # when the first withdrawal that it stands for was received
    Index("dirty_order", "urgent", "since"),
)
register_dirty = Table(
    "register_dirty",
    metadata,
    Column("subject", String, primary_key=True),
    Column("number", BigInteger, nullable=False),
)
registered = Table(  # which consents each agency's register names, so that one it must forget is taken out
    "registered",
    metadata,
    Column("subject", String, primary_key=True),
    Column("consent_id", String, primary_key=True),
    Column("said", String, nullable=False),  # keyed hash of what the entry says
)
register_order = (
    Table(  # rule 9: the number of each entry's newest word, for as long as an older one may come
        "register_order",
        metadata,
        Column("subject", String, primary_key=True),
        Column("consent_id", String, primary_key=True),
        Column("number", BigInteger, nullable=False),
    )
)
ending = Table(  # rule 5: persons of whom the last ground may have ended, until somebody has looked
    "ending",
    metadata,
    Column("subject", String, primary_key=True),
    Column("number", BigInteger, nullable=False),
)
view_state = Table(  # the newest view of each (joint case, recipient, role, worker)
    "view_state",
    metadata,
    Column("joint_case", String, primary_key=True),
    Column("recipient", String, primary_key=True),
    Column("role", String, primary_key=True),
    Column("worker", String, primary_key=True),  # empty: the whole unit's
    Column("view_id", String, nullable=False),
    Column("case_ref", String, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("state", String, nullable=False),
    Column("removed", Boolean, nullable=False),
    Column("content_mac", String, nullable=False),
    Column("as_of", BigInteger, nullable=False),
    Column("not_after", BigInteger, nullable=False),
    Column("epochs", String, nullable=False),
    Column(
        "value", LargeBinary, nullable=False
    ),  # sealed; of a view in several records only their format's header
    Index("view_state_id", "view_id"),
    Index("view_state_ending", "removed", "not_after"),
)
view_claim = (
    Table(  # rule 18: which worker is at work on a joint case, for as long as the mark that it read stands
        "view_claim",
        metadata,
        Column("joint_case", String, primary_key=True),
        Column("claim", BigInteger, nullable=False),
        Column("case_key", String, nullable=False),
        Column("number", BigInteger, nullable=False),
        Column("until", BigInteger, nullable=False),
    )
)
disclosure = Table(  # the disclosure register: one entry per release
    "disclosure",
    metadata,
    Column("view_id", String, primary_key=True),
    Column("person", String, primary_key=True),
    Column("sender", String, primary_key=True),
    Column("recipient", String, nullable=False),
    Column("role", String, nullable=False),
    Column("joint_case", String, nullable=False),
    Column("purpose", String, nullable=False),
    Column("fields", String, nullable=False),
    Column("grounds", String, nullable=False),
    Column("policy_version", String, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("delivered_at", BigInteger),
    Column("confirmed_at", BigInteger),
    Column("answer", String),
    Column("ended_by", String),  # the view that took its place: what it no longer shows was taken back by it
    Column("told_at", BigInteger),
    Column("ended_answer", String),
    Column("answered_at", BigInteger),
    Index("disclosure_person", "person"),
    Index("disclosure_ended", "ended_by"),
    Index("disclosure_at", "at", "view_id"),
)
disclosure_ground = Table(  # what each released field rested on: one row per category and ground of a release
    "disclosure_ground",
    metadata,
    Column("view_id", String, primary_key=True),
    Column("person", String, primary_key=True),
    Column("sender", String, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("category", String, nullable=False),
    Column("fields", String, nullable=False),  # a JSON list of Type.field
    Column("consents", String, nullable=False),  # a JSON list: any one of them covers all these fields
    Column("norm", String),
    ForeignKeyConstraint(
        ["view_id", "person", "sender"],
        ["disclosure.view_id", "disclosure.person", "disclosure.sender"],
        ondelete="CASCADE",
    ),
)
view_append = Table(  # when the broker appended each view, kept longer than the topic keeps the view
    "view_append",
    metadata,
    Column("view_id", String, primary_key=True),
    Column("appended_at", BigInteger, nullable=False, index=True),
    Column("append_until", BigInteger),  # until when the view said that it may be appended
)
consents_applied = Table(  # when the consents stage committed what narrows, up to which offset
    "consents_applied",
    metadata,
    Column("topic", String, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("next_offset", BigInteger, primary_key=True),
    Column("committed_at", BigInteger, nullable=False, index=True),
)
retrieval = Table(  # who opened which view; has its own, shorter life than the disclosure register (R13)
    "retrieval",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("joint_case", String, nullable=False),
    Column("recipient", String, nullable=False),
    Column("role", String, nullable=False),
    Column("worker", String),
    Column("purpose", String, nullable=False),
    Column("policy_version", String, nullable=False),
    Column("at", BigInteger, nullable=False),
)
erasure = (
    Table(  # erasures that were asked for, and what became of them; the certificate is JSON without content
        "erasure",
        metadata,
        Column("id", String, primary_key=True),
        Column("subject", String, nullable=False),
        Column("requested_at", BigInteger, nullable=False),
        Column("executed_at", BigInteger),
        Column("announced", Boolean, nullable=False),
        Column("completed_at", BigInteger),
        Column("certificate", String),
    )
)
erasure_answer = Table(  # what a recipient answered to an erasure by another way than its sink
    "erasure_answer",
    metadata,
    Column("erasure", String, primary_key=True),
    Column("recipient", String, primary_key=True),
    Column("answer", String, nullable=False),
    Column("at", BigInteger, nullable=False),
)
erased = Table(  # boxes sealed with this key version or an older one make no row any more, whoever reads them again
    "erased",
    metadata,
    Column("kind", String, primary_key=True),
    Column("subject", String, primary_key=True),
    Column("version", Integer, nullable=False),
)
closed_case = (
    Table(  # what was recorded until then of a case (of one category, or "" of all) makes no row any more
        "closed_case",
        metadata,
        Column("case_key", String, primary_key=True),
        Column("category", String, primary_key=True),
        Column("until", BigInteger, nullable=False),
    )
)
generation = Table(  # rule 21: which set of rows of a read model is live
    "generation",
    metadata,
    Column("projection", String, primary_key=True),
    Column("live", Integer, nullable=False),
)
meta = Table(
    "meta",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", String, nullable=False),
)
