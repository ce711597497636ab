"""Which flow runs where, when and with which parameters; and the Prefect server beside it."""
