"""``make simulate``: every simulation in full, as the tables of docs/STATISTICS.md."""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import product

from tests.simulate import classes, intervals, power, replication
from tuilab.science.replication import Outcome

TIMES = 2_000


def say_intervals() -> bool:
    print(f"## Intervals: coverage % / relative width, {TIMES} cells each\n")
    print("| questions x answers | ICC |", " | ".join(f"p {r}" for r in intervals.RATES), "|")
    print("|---" * (2 + len(intervals.RATES)) + "|")
    found = list(intervals.coverage(TIMES))
    for start in range(0, len(found), len(intervals.RATES)):
        row = found[start : start + len(intervals.RATES)]
        cells = (
            f"{100 * one.share:.1f} / {one.width:.2f}"
            f"{'' if one.times == TIMES else f' in {one.times:,}'}{'' if one.is_good else ' !'}"
            for one in row
        )
        print(f"| {row[0].questions} x {row[0].samples} | {row[0].icc} |", " | ".join(cells), "|")
    paired = dict(intervals.paired_coverage(TIMES // 2))
    least = min(paired, key=lambda one: paired[one])
    print(f"\nPaired differences: least coverage {100 * paired[least]:.1f} % ({least})\n")
    return all(one.is_good for one in found) and paired[least] >= 0.92


def say_seeds() -> bool:
    print(f"## Intervals over seeds that share their questions: coverage %, {TIMES} each\n")
    print("| condition | rate | net change |\n|---|---|---|")
    found = list(intervals.seeds_coverage(TIMES))
    for name, rate, net in found:
        print(f"| {name} | {100 * rate:.1f} | {100 * net:.1f} |")
    least = min(min(rate, net) for _, rate, net in found)
    print(f"\nLeast: {100 * least:.1f} %\n")
    return least >= 0.9


def say_classes() -> bool:
    print(f"## Classes: % of sources called changed, {TIMES} sources each\n")
    worst = 0.0
    for title, cases in (("no change", classes.flat_cases()), ("20 points", classes.power_cases())):
        print(f"| {title} | sd of training (points): % |\n|---|---|")
        rows: dict[str, list[str]] = {}
        for case in cases:
            if case.change:
                share = classes.share_changed(case, TIMES)
            else:
                share = classes.share_falsely_changed(case, TIMES)
                worst = max(worst, share)
            shape = case.shape if case.change else ""
            name = f"n {case.n}, p {case.rate}, seeds {case.seeds}"
            name = ", ".join(filter(None, (name, case.noise, shape)))
            rows.setdefault(name, []).append(f"{100 * case.sd:g}: {100 * share:.1f}")
        for name, cells in rows.items():
            print(f"| {name} | {', '.join(cells)} |")
        print()
    print(f"Most false calls: {100 * worst:.1f} %\n")
    return worst <= classes.MOST_FALSE


def say_power() -> bool:
    print(f"## Power of the level for 20 points: predicted and simulated, {power.TIMES} each\n")
    print("| seeds | later checkpoints | n | sd of training | predicted | simulated |")
    print("|---|---|---|---|---|---|")
    worst = 0.0
    for setup, predicted, simulated in power.apart():
        worst = max(worst, abs(predicted - simulated))
        place = f"| {setup.seeds} | {setup.later} | {setup.n} | {100 * setup.training:g}"
        print(f"{place} | {100 * predicted:.1f} | {100 * simulated:.1f} |")
    print(f"\nFurthest apart: {100 * worst:.1f} points\n")
    return worst <= 0.03


def say_replication() -> bool:
    print(f"## Replication: what is called what, % of {TIMES} pairs, margin 10 points\n")
    told = ("equal: replicates", "10 apart: replicates", "10 apart: contradicts")
    print("| n | seeds | sd of training |", " | ".join(told), "| 25 apart: contradicts |")
    print("|---" * 7 + "|")
    worst = 0.0
    for n, (seeds, sd) in product((200, 600), ((1, 0.0), (1, 0.03), (1, 0.06), (5, 0.03))):
        shares = []
        for apart, outcome in (
            (0.0, Outcome.REPLICATES),
            (0.1, Outcome.REPLICATES),
            (0.1, Outcome.CONTRADICTS),
            (0.25, Outcome.CONTRADICTS),
        ):
            shares.append(replication.outcomes(apart, sd, TIMES, seeds, n)[outcome] / TIMES)
        worst = max(worst, shares[1], shares[2])
        cells = " | ".join(f"{100 * share:.1f}" for share in shares)
        print(f"| {n} | {seeds} | {100 * sd:g} | {cells} |")
    print(f"\nMost errors: {100 * worst:.1f} %\n")
    return worst <= classes.MOST_FALSE


PARTS: dict[str, Callable[[], bool]] = {
    "intervals": say_intervals,
    "seeds": say_seeds,
    "classes": say_classes,
    "power": say_power,
    "replication": say_replication,
}

if __name__ == "__main__":
    chosen = sys.argv[1:] or list(PARTS)
    results = {name: PARTS[name]() for name in chosen}
    for name, is_good in results.items():
        print(f"{name}: {'as promised' if is_good else 'NOT as promised'}")
    sys.exit(not all(results.values()))
