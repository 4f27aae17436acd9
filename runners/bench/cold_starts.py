"""Times what a fresh process pays before its first useful operation."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

_STARTS = {
    "python": "pass",
    "torch": "import torch",
    "torch, transformers, peft": "import torch, peft; from transformers import Qwen2ForCausalLM",
    "and a CUDA context": (
        "import torch, peft; from transformers import Qwen2ForCausalLM; "
        "torch.ones(1, device='cuda').item()"
    ),
}


def measure(with_cuda: bool) -> dict[str, Any]:
    """Return the seconds of each start in its own process, files already in memory."""
    found = {}
    for name, code in _STARTS.items():
        if "CUDA" in name and not with_cuda:
            continue
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
        found[f"{name}_s"] = time.perf_counter() - start
    return found
