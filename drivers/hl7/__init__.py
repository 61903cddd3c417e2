"""HL7 v2: how profiles name its fields, and what its messages mean."""
