"""Renders the results as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from runners.bench.projection import Stage


def report(
    head: Mapping[str, Any],
    found: Mapping[str, Any],
    failed: Mapping[str, str],
    stages: Sequence[Stage],
    hours: tuple[float | None, float | None],
) -> str:
    """Return the whole report."""
    parts = [
        "  ".join(f"{key}: {value}" for key, value in head.items()),
        *_ceilings(found),
        *_checks(found),
        *_steps(found),
        *_against(found),
        *_decoding(found),
        *_others(found),
        *_stages(stages, hours),
        *(f"not measured: {name}: {why}" for name, why in failed.items()),
    ]
    return "\n".join(parts) + "\n"


def _ceilings(found: Mapping[str, Any]) -> list[str]:
    result = found.get("ceilings")
    if not result:
        return []
    products = ", ".join(f"{k} {v:.3g}" for k, v in result["products_tflops"].items())
    return [
        f"\nceilings: product {result['square_tflops']:.4g} TFLOP/s (large square), "
        f"{result['step_tflops']:.4g} at the shapes of a step; copy {result['copy_tb_s']:.3g} TB/s",
        f"  {products}",
    ]


def _checks(found: Mapping[str, Any]) -> list[str]:
    result = found.get("checks")
    if not result:
        return []
    distances = ", ".join(f"{k} {v:.2e}" for k, v in result["gradient_distance"].items())
    verdict = "same mathematics" if result["passed"] else "NOT THE SAME: do not use these numbers"
    return [
        f"\nchecks: {verdict}; distance of gradients from float32: {distances}; "
        f"tokens below the best: {result['token_regret']:.2g} sigma"
    ]


def _steps(found: Mapping[str, Any]) -> list[str]:
    rows = [(n.removeprefix("step: "), r) for n, r in found.items() if n.startswith("step: ")]
    if not rows:
        return []
    ceiling = (found.get("ceilings") or {}).get("square_tflops")
    lines = [
        f"\n{'training step':34} {'ms':>8} {'us/token':>9} {'TFLOP/s':>8} {'MFU':>5} {'GiB':>6}"
    ]
    for name, r in rows:
        share = f"{r['tflops'] / ceiling:.0%}" if ceiling else "-"
        lines.append(
            f"{name:34} {r['ms_per_step']:8.1f} {r['us_per_token']:9.2f} {r['tflops']:8.4g} "
            f"{share:>5} {_number(r['peak_gib'])}"
        )
    return lines


def _against(found: Mapping[str, Any]) -> list[str]:
    """Return the table of README and docs: ours beside each peer, from one run."""
    rows = [(n.removeprefix("against "), r) for n, r in found.items() if n.startswith("against ")]
    if not rows:
        return []
    ceiling = (found.get("ceilings") or {}).get("square_tflops")
    _, last = rows[-1]
    lines = [
        f"\n| training step, {last['tokens_per_step']:,.0f} tokens, ours and each in turns, median "
        f"of {last['rounds']} | ms | ours beside it, ms | times ours | by CPU time | µs / token | "
        "MFU | GiB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, r in rows:
        share = f"{r['tflops'] / ceiling:.0%}" if ceiling else "-"
        lines.append(
            f"| {name} | {r['ms_per_step']:.1f} | {r['our_ms_per_step']:.1f} | "
            f"{r['times_ours_ms_per_step']:.2f} | {r['times_ours_cpu_ms_per_step']:.2f} | "
            f"{r['us_per_token']:.1f} | {share} | {_number(r['peak_gib'], 1)} |"
        )
    return lines


def _decoding(found: Mapping[str, Any]) -> list[str]:
    rows = [(n.removeprefix("decode: "), r) for n, r in found.items() if n.startswith("decode: ")]
    if not rows:
        return []
    lines = [f"\n{'decode':34} {'s':>8} {'tokens/s':>9} {'TFLOP/s':>8} {'eval s':>7} {'GiB':>6}"]
    lines += [
        f"{name:34} {r['seconds']:8.1f} {r['tokens_per_s']:9.0f} {r['tflops']:8.4g} "
        f"{r['evaluation_s']:7.1f} {_number(r['peak_gib'])}"
        for name, r in rows
    ]
    return lines


def _others(found: Mapping[str, Any]) -> list[str]:
    lines = []
    for name in ("merge and restore", "cold starts", "model", "profile"):
        if result := found.get(name):
            figures = ", ".join(
                f"{key.removesuffix('_s')} {value:.3g} s"
                for key, value in result.items()
                if key.endswith("_s")
            )
            lines.append(f"\n{name}: {figures}")
    return lines


def _stages(stages: Sequence[Stage], hours: tuple[float | None, float | None]) -> list[str]:
    if not stages:
        return []
    lines = [f"\n{'stage':34} {'s':>8} {'floor s':>9} {'of floor':>9} {'times':>6}"]
    for stage in stages:
        share = "-" if stage.share is None else f"{stage.share:.0%}"
        lines.append(
            f"{stage.name:34} {_number(stage.seconds, 8)} {_number(stage.floor, 9)} "
            f"{share:>9} {stage.count:6}"
        )
    lines.append(f"{'grid, hours':34} {_number(hours[0], 8, 2)} {_number(hours[1], 9, 2)}")
    return lines


def _number(value: float | None, width: int = 6, digits: int = 1) -> str:
    return f"{'-':>{width}}" if value is None else f"{value:{width}.{digits}f}"
