"""Lets ``python -m tuilab`` do what ``tuilab`` does."""

from __future__ import annotations

import sys

from tuilab.cli import main

sys.exit(main())
