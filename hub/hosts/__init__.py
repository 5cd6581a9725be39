"""Who drives the stages: everything in one process (embedded), or workers on Kafka (faust); `local` starts the servers."""
