"""What must be quick to start loads no part of scipy that takes a second."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("verb", ["table", "claims", "compare"])
def test_a_verb_that_shows_numbers_imports_no_statistics_library(verb: str) -> None:
    words = ["tuilab", verb, "published", *(["published"] if verb == "compare" else [])]
    code = (
        "import runpy, sys\n"
        f"sys.argv = {words}\n"
        "try:\n    runpy.run_module('tuilab', run_name='__main__')\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        "print([name for name in ('scipy', 'statsmodels') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "[]", done.stdout[-400:] + done.stderr[-400:]
