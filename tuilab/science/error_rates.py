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
LEAST_SCATTER: Final = 0.5
"""Part of the variance between a seed's checkpoints that a test over seeds counts at least."""
