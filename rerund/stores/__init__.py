"""The lab's stores behind three ports: reports, rerun records, number cache."""
