"""The product in a minute: a real daemon, simulated instruments, and what became of it."""
