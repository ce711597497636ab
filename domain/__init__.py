"""Records, errors and decisions; no Prefect, no network, no clock of its own."""
