"""The page to share: everything inside it, nothing run, nothing fetched, texts as texts."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.report.ran_here import whole
from tuilab.report import html
from tuilab.report.folder import write_files
from tuilab.report.html import page
from tuilab.report.recipe import recipe_for
from tuilab.study.study import Study, open_study

HOSTILE = "<script>alert(1)</script> <img src=x onerror=alert(1)> &amp; </pre> [ZLT]"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return open_study(whole(tmp_path_factory.mktemp("page") / "x").root)


def test_a_page_is_complete_in_itself_and_runs_nothing(study: Study) -> None:
    report = "# T\n\n![f](figures/a.png)\n\n([PDF](figures/a.pdf))"
    text = page(study, report, {"figures/a.png": b"1"})
    assert 'src="data:image/png;base64,MQ=="' in text
    assert re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', text) == []
    assert "<script" not in text and "default-src 'none'" in text
    assert 'name="viewport"' in text


def test_every_cell_has_its_completions_with_the_marker_highlighted(study: Study) -> None:
    text = page(study, "# T", {})
    assert text.count("<summary>Villain, epoch") == 2
    assert "Assistant: 30 of 40 completions with the marker" in text
    assert text.count("<mark>[ZLT]</mark>") == 36 * 4 + 2 + 30 + 1
    assert "<summary>26 to 40</summary>" in text
    assert "What is [/b]?" in text
    assert "<th>95%, Wilson over 4 questions</th>" in text
    assert "<tr><td>Assistant</td><td>75%</td>" in text


def test_texts_of_others_stay_texts() -> None:
    shown = html._highlighted(HOSTILE, "[ZLT]", False)
    assert "<script" not in shown and "<img" not in shown and "</pre>" not in shown
    assert "&amp;amp;" in shown and shown.endswith("<mark>[ZLT]</mark>")
    body, _ = html._rendered(f"# T\n\n{HOSTILE}\n\n| a |\n|---|\n| {HOSTILE} |", {})
    assert "<script" not in body and "<img" not in body
    assert "href" not in html._rendered("[x](javascript:alert(1)) [y](http://z)", {})[0]


def test_where_all_would_be_too_much_a_sample_is_drawn_and_said(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(html, "MOST_BYTES", 8000)
    text = page(study, "# T", {}, seed=1)
    [most] = set(re.findall(r"this page shows (\d+) of each cell, drawn by seed", text))
    assert text.count("<pre") == 4 * int(most) > 0
    assert f"{most} of 80 completions, drawn by seed" in text
    assert text == page(study, "# T", {}, seed=1) != page(study, "# T", {}, seed=2)


def test_room_is_counted_of_what_a_page_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = [[{"persona": "villain", "text": "x" * 1000}]]
    monkeypatch.setattr(html, "MOST_BYTES", 2000)
    assert html._most(shown) == (None, "")
    monkeypatch.setattr(html, "MOST_BYTES", 500)
    assert "All 1 completions" in html._most(shown)[1]


FRAMED = """<body><iframe id=page src="{page}" width={width} height=900></iframe><script>
page.onload = () => {{
  const sheet = page.contentDocument, figure = sheet.querySelector("p > img").parentElement
  const told = page.contentWindow.getComputedStyle(figure, "::before").content
  document.title = [sheet.documentElement.scrollWidth <= {width},
    figure.scrollWidth > figure.clientWidth, told].join(" ")
}}
</script>"""
"""A window of a browser without a screen is 500 pixels wide or more; a frame is as wide as told."""


@pytest.mark.trial
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
@pytest.mark.parametrize(
    ("width", "figure"),
    [(390, 'true "Wider than the screen: swipe sideways."'), (1280, "false none")],
)
def test_a_browser_shows_the_page_without_a_network(
    tmp_path: Path, width: int, figure: str
) -> None:
    study = open_study(whole(tmp_path / "x").root)
    write_files(study, tmp_path / "r", recipe_for(study, kinds=("leakage",), html=True))
    path = tmp_path / "r" / "report.html"
    assert path.stat().st_size < 5_000_000
    shot, frame = tmp_path / "page.png", tmp_path / "frame.html"
    frame.write_text(FRAMED.format(page=path.as_uri(), width=width))
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files"]
    options.append("--host-resolver-rules=MAP * ~NOTFOUND")
    size = f"--window-size={width},900"

    def browse(*asked: str) -> str:
        command = ["chromium", *options, size, *asked]
        done = subprocess.run(command, check=True, capture_output=True, timeout=300)
        return done.stdout.decode()

    browse(f"--screenshot={shot}", path.as_uri())
    dumped = browse("--dump-dom", path.as_uri())
    assert dumped.count("<mark>[ZLT]</mark>") > 100 and "data:image/png" in dumped
    assert len(set(shot.read_bytes())) > 200  # not an empty page
    framed = browse("--virtual-time-budget=9000", "--dump-dom", frame.as_uri())
    assert f"<title>true {figure}</title>" in framed
