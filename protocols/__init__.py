"""What the wire standards say: frames, records and sessions, without I/O, clock or logging."""
