"""The draft of a driver profile: guessed from a capture, with every doubt written beside it."""
