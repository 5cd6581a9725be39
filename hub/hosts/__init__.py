"""Who drives the stages: one process (embedded) or workers on Kafka (faust); `local` starts the servers."""
