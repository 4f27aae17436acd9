"""The error rates that tests keep, and what a run needs to be tested at all; imports nothing."""

from typing import Final

ALPHA: Final = 0.05
"""Error rate of every test, after its correction for several."""
LEAST_LATER: Final = 5
"""Later checkpoints that a run must have for its scatter to be known at all."""
LEVEL_SHARE: Final = 0.5
END_SHARE: Final = 0.3
TURN_SHARE: Final = 0.4
"""Parts of the error rate given to the contrasts with one seed; two tests share the turn's."""
LOW_RATE: Final = 0.125
"""Below it tests over seeds err more often than they promise: docs/STATISTICS.md."""
LOW_RATE_ERROR: Final = 0.08
"""How often they do there, at most."""
