"""What must be quick to start loads no part of scipy that takes a second."""

import subprocess
import sys

VERBS = (["table", "published"], ["claims", "published"], ["compare", "published", "published"])


def test_the_verbs_that_show_numbers_import_no_statistics_library() -> None:
    code = (
        "import sys\nfrom tuilab.cli import main\n"
        f"for words in {VERBS}:\n"
        "    code = main(words)\n"
        "    loaded = [name for name in ('scipy', 'statsmodels') if name in sys.modules]\n"
        "    print(words[0], code, loaded, file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines() == [f"{words[0]} 0 []" for words in VERBS]
