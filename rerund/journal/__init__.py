"""The journal: raw bytes, payloads, history and local copies in one SQLite file."""
