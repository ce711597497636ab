"""The command line of the flows: arguments, session, terminal, interruption, watch loops."""
