"""The forms in which HL7 instruments take their orders, one a module."""
