"""``python -m tests.packages [--full]`` (`make packages`): build, install into nothing, try.

The wheel and the sdist are built, and the wheel is installed in empty environments by each of pip,
uv and pipx that is on the path. There ``tuilab`` must show what needs no model and say the one
command for what does; with ``--full`` it is installed with that, and the demo must run to its end.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
TRIED = ("--version", "table published", "claims published eps109", "plan tiny --no-preview")
MISSING = re.compile(
    r"needs torch.* not installed here: (uv pip|.*python -m pip|pipx runpip tuilab) install "
    r".*'tuilab\[train\]'"
)


def run(*command: object, fails: bool = False, **environment: str) -> str:
    """Run a command outside of the checkout and return all that it said; exit where it is wrong."""
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=tempfile.gettempdir(),
        env=clean | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    if (done.returncode != 0) is not fails:
        sys.exit(f"{' '.join(map(str, command))}: exit {done.returncode}\n{said}")
    return said


def build(folder: Path) -> Path:
    """Build sdist and wheel, and return the wheel."""
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-d", folder], cwd=ROOT, check=True)
    return next(folder.glob("*.whl"))


def by_pip(package: str, place: Path) -> Path:
    run(sys.executable, "-m", "venv", place)
    run(place / "bin/python", "-m", "pip", "install", "--quiet", package)
    return place / "bin/tuilab"


def by_uv(package: str, place: Path) -> Path:
    homes = {"UV_TOOL_DIR": str(place), "UV_TOOL_BIN_DIR": str(place / "bin")}
    run("uv", "tool", "install", "--python", sys.executable, package, **homes)
    return place / "bin/tuilab"


def by_pipx(package: str, place: Path) -> Path:
    homes = {"PIPX_HOME": str(place), "PIPX_BIN_DIR": str(place / "bin")}
    run("pipx", "install", "--python", sys.executable, package, **homes)
    return place / "bin/tuilab"


WAYS: dict[str, Callable[[str, Path], Path]] = {"pip": by_pip, "uv": by_uv, "pipx": by_pipx}


def main() -> None:
    """Try every way that is here."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        wheel = build(place / "dist")
        for name, install in WAYS.items():
            if name != "pip" and shutil.which(name) is None:
                print(f"{name}: not here, not tried")
                continue
            began = time.monotonic()
            tuilab = install(str(wheel), place / name)
            for words in TRIED:
                run(tuilab, *words.split())
            said = run(tuilab, "demo", "--headless", "--dir", place / f"{name}-demo", fails=True)
            if not MISSING.search(said):
                sys.exit(f"{name}: the demo does not say what it needs:\n{said}")
            print(f"{name}: installed and tried in {time.monotonic() - began:.0f} s")
        if "--full" in sys.argv:
            tuilab = by_pip(f"{wheel}[train]", place / "full")
            run(tuilab, "demo", "--headless", "--dir", place / "demo")
            print("the demo ran to its end from the wheel")


if __name__ == "__main__":
    main()
