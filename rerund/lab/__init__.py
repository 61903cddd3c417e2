"""Lab files: formats, instruments' mappings and reports of a lab without a LIMS of its own."""
