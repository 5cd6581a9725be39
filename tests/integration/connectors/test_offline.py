"""An agency that was off the network for a week catches up on its own, and nothing is missing or twice."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest

from hub.errors import ServiceUnavailable
from hub.ports import TopicState

WEEK = range(1, 8)


def away(topics: Sequence[str]) -> Mapping[str, TopicState]:
    raise ServiceUnavailable("no broker", place="log", remedy="wait")


def latest(offices: Any, agency: str) -> dict[bytes, Any]:
    """The last word on each record: what it said and on which ground."""
    found: dict[bytes, Any] = {}
    for envelope in offices.envelopes(agency):
        number = (envelope["source_version"], envelope["publication"])
        if envelope["record_ref"] not in found or found[envelope["record_ref"]][0] < number:
            found[envelope["record_ref"]] = number, envelope
    return {
        ref: (envelope["event_type"], sorted(offices.content(agency, envelope).items(), key=str))
        for ref, (_, envelope) in found.items()
    }


@pytest.mark.parametrize("agency", ["jc-seestadt", "ja-seestadt"])
def test_a_week_without_network_loses_nothing(make_offices: Any, tools: Any, agency: str) -> None:
    through, cut = make_offices("through"), make_offices("cut")
    for offices in (through, cut):
        offices.write_day(0)
    always, connector = through.source(agency), cut.source(agency)
    through.step(always, tools.evening(0))
    cut.step(connector, tools.evening(0))
    before = cut.facts(agency)
    state = cut.log.state
    for day in WEEK:
        for offices in (through, cut):
            offices.write_day(day)
        through.step(always, tools.evening(day))
        cut.log.state = away
        with pytest.raises(ServiceUnavailable):
            connector.step(tools.evening(day))
        cut.log.state = state
        assert cut.facts(agency) == before
    end = tools.evening(max(WEEK)) + timedelta(minutes=1)
    through.step(always, end)
    for _ in WEEK:  # a step takes one snapshot, oldest first
        cut.step(connector, end)
    assert latest(cut, agency) == latest(through, agency)
    numbers = [(e["event_id"], e["publication"]) for e in cut.envelopes(agency)]
    assert len(numbers) == len(set(numbers))
    assert len(latest(cut, agency)) > len({fact[0] for fact in before})
