"""The rules of a rerun: pure functions, except the service, which sees stores through ports."""
