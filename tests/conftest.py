"""What all tests stand on: signals as a person at a terminal has them."""

from __future__ import annotations

import signal

# A shell that runs its jobs in the background ignores SIGINT for them, and every child inherits
# that: Ctrl+C, sent by a test, would reach nobody.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
