"""The sixteen checks. Each takes a `Case` that makes benches, asserts what it promises, and returns a figure or ""."""

from collections.abc import Callable

from connectors.kit.checks.case import Case
from connectors.kit.checks.crashes import (
    backfill_beside_live,
    killed_at_each_fail_point,
    resumes_from_every_state,
)
from connectors.kit.checks.rows import (
    awkward_values,
    deletions,
    duplicate_and_empty_runs,
    keys_are_unique,
    late_and_equal_times,
    records_match_schema,
)
from connectors.kit.checks.spec import discovery_is_stable, misconfigurations_found, spec_and_secrets
from connectors.kit.checks.system import bounded_memory, no_canary, source_down, source_unchanged

__all__ = ["CHECKS", "Case"]

CHECKS: tuple[Callable[[Case], str], ...] = (
    spec_and_secrets,
    misconfigurations_found,
    discovery_is_stable,
    records_match_schema,
    keys_are_unique,
    resumes_from_every_state,
    killed_at_each_fail_point,
    late_and_equal_times,
    deletions,
    duplicate_and_empty_runs,
    awkward_values,
    source_unchanged,
    source_down,
    bounded_memory,
    no_canary,
    backfill_beside_live,
)
