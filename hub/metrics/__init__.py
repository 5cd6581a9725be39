"""What the hub tells Prometheus: `named` has every name, `batched` the increments that wait for company, the others
are read at every scrape. Nothing is imported here, so that the danger path depends on neither store nor stages."""
