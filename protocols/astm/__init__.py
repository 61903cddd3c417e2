"""ASTM E1381 / CLSI LIS01-A2 frames and links, ASTM E1394 / CLSI LIS02-A2 records."""
