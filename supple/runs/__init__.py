"""A whole run from one config file: its directory, its progress, its resumption."""
