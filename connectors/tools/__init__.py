"""Work on the agency's own data that sends nothing: dry run, proposed configuration, candidates."""
