"""What workers committed at the broker: a hint for whoever looks at lag, and the sign of a restored store."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from hub.adapters.log.problems import of_kafka
from hub.adapters.log.telling_client import telling_client

NOTHING: Mapping[str, Any] = MappingProxyType({})


def forget(bootstrap: str, groups: Sequence[str], security: Mapping[str, Any] = NOTHING) -> list[str]:
    """Delete these groups' committed offsets; those that do not exist stay so. Returns the ones that did.

    Raises ServiceUnavailable when the broker does not answer, or when a worker of a group still runs.
    """
    try:
        admin = KafkaAdminClient(bootstrap_servers=bootstrap, kafka_client=telling_client, **security)
    except KafkaError as error:
        raise of_kafka(error, "broker") from None
    try:
        there = {str(found["group_id"]) for found in admin.list_groups()}
        going = sorted(there & set(groups))
        if going:
            admin.delete_groups(going)
    except KafkaError as error:
        raise of_kafka(error, "consumer groups") from None
    else:
        return going
    finally:
        admin.close()
