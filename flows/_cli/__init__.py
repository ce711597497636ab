"""What a shell needs of the flows: arguments, session, terminal, interruption, watch loops."""
