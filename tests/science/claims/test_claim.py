"""How verdicts on single sources add up to one."""

from hypothesis import given
from hypothesis import strategies as st

from tuilab.science.claims.claim import Finding, Verdict, for_all, for_exactly

HOLDS, FAILS = Verdict.HOLDS, Verdict.FAILS
NOISE, UNMEASURED = Verdict.WITHIN_NOISE, Verdict.NOT_MEASURED

FINDINGS = st.lists(st.sampled_from(list(Verdict)).map(lambda v: Finding(v, "")), max_size=8)


@given(FINDINGS)
def test_all_holds_only_when_each_holds(findings: list[Finding]) -> None:
    everyone = bool(findings) and all(one.verdict is HOLDS for one in findings)
    assert (for_all(findings) is HOLDS) == everyone
    if any(one.verdict is FAILS for one in findings):
        assert for_all(findings) is FAILS


@given(FINDINGS, st.integers(0, 8))
def test_a_count_holds_only_when_it_is_the_sure_count(findings: list[Finding], wanted: int) -> None:
    found = [one.verdict for one in findings]
    verdict = for_exactly(wanted, findings)
    if verdict is HOLDS:
        assert found.count(HOLDS) == wanted and UNMEASURED not in found
    if verdict is FAILS:
        open_ones = found.count(NOISE) + found.count(UNMEASURED)
        assert not found.count(HOLDS) <= wanted <= found.count(HOLDS) + open_ones
