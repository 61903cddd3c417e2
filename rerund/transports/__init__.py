"""The only code that opens ports: TCP in, TCP out, RS-232."""
