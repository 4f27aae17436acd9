"""Report what runners would run on here: python -m runners.probe

Prints one JSON object: ``libraries`` (versions as imported, null when missing), ``cuda`` (what
torch was built for), ``devices``, ``vllm`` (can it be imported) and ``problems`` in sentences.
"""

from __future__ import annotations

import importlib
import json
import sys
from importlib.util import find_spec
from typing import Any

from runners import environment

REQUIRED = ("torch", "transformers", "peft", "safetensors", "tokenizers", "accelerate")
OPTIONAL = ("vllm",)


def main() -> int:
    """Print the findings; a missing library is a finding, not a failure."""
    problems: list[str] = []
    libraries = {name: _version(name, problems) for name in (*REQUIRED, *OPTIONAL)}
    found = {
        "libraries": libraries,
        "cuda": _cuda(problems),
        "devices": [_label(device) for device in environment.devices()],
        "vllm": libraries["vllm"] is not None,
        "python": sys.version.split()[0],
        "problems": problems,
    }
    print(json.dumps(found))
    return 0


def _version(name: str, problems: list[str]) -> str | None:
    """Really import a library: a wheel for another CUDA fails only then."""
    if find_spec(name) is None:
        if name in REQUIRED:
            problems.append(f"{name} is not installed: pip install 'tuilab[train]'")
        return None
    try:
        module = importlib.import_module(name)
    except Exception as error:  # any failure of a foreign import is the finding
        first = (str(error).splitlines() or [""])[0]
        problems.append(f"{name} is installed but cannot be imported: {first[:200]}")
        return None
    return str(getattr(module, "__version__", "unknown"))


def _cuda(problems: list[str]) -> str | None:
    torch: Any = sys.modules.get("torch")
    if torch is None or torch.version.cuda is None:
        return None
    if not torch.cuda.is_available():
        problems.append(
            f"torch is built for CUDA {torch.version.cuda} but sees no device: no GPU, or a driver "
            "too old for it"
        )
    return str(torch.version.cuda)


def _label(device: dict[str, Any]) -> str:
    if device["kind"] == "cpu":
        return f"CPU {device['name']}"
    return f"{device['name']}, {device['memory'] / 2**30:.0f} GiB, {device['uuid']}"


if __name__ == "__main__":
    raise SystemExit(main())
