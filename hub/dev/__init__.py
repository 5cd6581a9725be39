"""Benches, simulated agencies, the demo and local servers: not installed at an agency."""
