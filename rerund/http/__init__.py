"""The HTTP interface: six endpoints over the rerun service, in a process of their own.

FastAPI and uvicorn are imported here and nowhere else, and by the modules of the process
only: `tokens`, `token_edit`, `front` and `start` are used by the daemon and the command line.
"""
