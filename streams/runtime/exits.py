"""How a worker ends: exit codes that the supervisor and people act on."""

CLEAN = 0
CRASHED = 1
"""A bug, or a transaction whose fate is unknown: start again and take over."""
FENCED = 3
"""Another instance owns the work: never by itself again before that one is gone."""
RECOVERY_REFUSED = 4
"""A person decides (`flyball recover`)."""
HUNG = 5
"""The watchdog saw work waiting and nothing moving."""
