"""`hub explain EVENT_ID`: what happened to an event, by which rules and norms. Field names, never what they hold."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from connectors.pipeline.config.connector import ConnectorConfig
from hub.cli.explain.agency import at_the_agency, configs
from hub.cli.explain.words import CODES, sentences
from hub.cli.output import AsJson, print_json, print_lines, rfc3339, warn
from hub.config import Settings, load_settings
from hub.domain.clock import berlin_day, moment
from hub.errors import ConfigurationError
from hub.policy.compiled import Policy
from hub.policy.explain import Language
from hub.policy.load import load_policy
from hub.rights.event_history.steps import HistoryStep, Trail, in_order


def explain(
    ctx: typer.Context,
    event_id: Annotated[str, typer.Argument(metavar="EVENT_ID", help="The event's number (32 hex digits).")],
    connector: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="CONFIG", help="A connector on this machine whose part belongs to it; repeatable."
        ),
    ] = None,
    lang: Annotated[
        Language | None, typer.Option(help="Language of sentences and rules; else English.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """What happened to an event, from reading to recipient: when, where, by which rule and norm."""
    language: Language = lang or ctx.find_root().params.get("lang") or "en"
    settings, wanted = load_settings(), event_id.strip().lower()
    connectors = configs([*settings.connectors, *(connector or ())])
    agency = at_the_agency(connectors, wanted)
    hub = _at_the_hub(settings, wanted, alone=bool(connector))
    found = Trail(wanted, hub.event_type or agency.event_type, in_order((*agency.steps, *hub.steps)))
    answer = explained(found, _policy(settings, connectors), language)
    if as_json:
        print_json(answer)
    else:
        print_lines(sentences(answer, language))
    if not found.steps:
        raise typer.Exit(1)


def _at_the_hub(settings: Settings, event_id: str, *, alone: bool) -> Trail:
    """The hub's part; on an agency's machine there is none, nor its packages, and `alone` says that this may be one."""
    try:
        from hub.cli.opened import opened_parts
        from hub.rights.event_history.trail import trail

        with opened_parts(settings) as parts:
            return trail(parts, event_id, parts.keys.ledger())
    except (ConfigurationError, ModuleNotFoundError) as error:
        if not alone:
            raise
        why = "no hub is installed here" if isinstance(error, ModuleNotFoundError) else error
        warn(f"only the agency's part: {why}")
        return Trail(event_id, None, ())


def _policy(settings: Settings, connectors: Sequence[ConnectorConfig]) -> Policy:
    """Matrix and rules with everybody's own ones: their words are told, nothing is decided by them here."""
    own = [path for config in connectors for path in config.policy_files]
    return load_policy([*settings.policy_files, *own])


def explained(found: Trail, policy: Policy, lang: Language = "de") -> dict[str, Any]:
    """The trail under the contract's keys, each rule with its norm and wording of that day."""
    return {
        "event_id": found.event_id,
        "event_type": found.event_type,
        "trail": [_entry(step, policy, lang) for step in found.steps],
    }


def _entry(step: HistoryStep, policy: Policy, lang: Language) -> dict[str, Any]:
    entry = {
        "at": rfc3339(step.at),
        "point": step.point,
        "where": step.where,
        "outcome": step.outcome,
        "rules": [_rule(rule, step, policy, lang) for rule in step.rules],
        "kept": list(step.kept),
        "dropped": dict(sorted(step.dropped.items())),
        "recipient": step.recipient,
    }
    if step.grounds:
        entry["grounds"] = list(step.grounds)
    if step.nearly:
        entry["nearly"] = [one._asdict() for one in step.nearly]
    return entry | ({"now": True} if step.now else {})


def _rule(rule: str, step: HistoryStep, policy: Policy, lang: Language) -> dict[str, str]:
    period = policy.on(berlin_day(moment(step.at))) or policy.latest
    reason = period.reasons.get(rule)
    if reason is None:
        return {"rule": rule, "norm": "", "text": CODES.get(rule, {}).get(lang, rule)}
    return {"rule": rule, "norm": reason.norm, "text": reason.text if lang == "de" else reason.text_en}
