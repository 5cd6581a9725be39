"""A connector's configuration: TOML → frozen values, checked as a whole before anything is opened."""
