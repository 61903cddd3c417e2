"""The daemon: all I/O, all state, all configuration."""

__version__ = "0.1.0"
