"""HL7 v2.3 to 2.6 messages, their acknowledgments, and MLLP links of release 1 and 2."""
