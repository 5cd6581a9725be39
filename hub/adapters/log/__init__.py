"""Event logs: one SQLite file for embedded use, Apache Kafka for everything else."""
