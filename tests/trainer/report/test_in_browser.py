"""The report in a real browser: wide and on a phone, light and dark."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sonyc_trainer.folder import StudyFolder
from support.broker import free_port
from support.browser import Page, browser
from support.system_packages import require_system

pytestmark = pytest.mark.slow

WIDE, PHONE = 1280, 390

# Elements that stick out to the side, other than those in boxes that scroll.
STICKING_OUT = """
return [...document.querySelectorAll('body *')]
  .filter(e => !e.closest('.wide') && e.getBoundingClientRect().right > document.documentElement.clientWidth + 0.5)
  .map(e => e.tagName + ' ' + e.textContent.slice(0, 40));
"""
# Text of a figure that its own edge cuts.
CLIPPED = """
return [...document.querySelectorAll('svg text')].filter(t => {
  const own = t.getBoundingClientRect(), all = t.closest('svg').getBoundingClientRect();
  return own.width && (own.left < all.left - 1 || own.right > all.right + 1
    || own.top < all.top - 2 || own.bottom > all.bottom + 2);
}).map(t => t.textContent + ' in ' + t.closest('svg').getAttribute('aria-label'));
"""
# Text of a figure that lies on other text of it.
COLLIDING = """
const found = [];
for (const svg of document.querySelectorAll('svg')) {
  const boxes = [...svg.querySelectorAll('text')].map(t => [t.textContent, t.getBoundingClientRect()]);
  for (let i = 0; i < boxes.length; i++) for (let j = 0; j < i; j++) {
    const [a, b] = [boxes[i][1], boxes[j][1]];
    const x = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const y = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (a.width && x > 1.5 && y > 5) found.push(boxes[i][0] + ' on ' + boxes[j][0]);
  }
}
return found;
"""
SMALLEST_TEXT = """
return Math.min(...[...document.querySelectorAll('svg text')].filter(t => t.getBoundingClientRect().width)
  .map(t => parseFloat(getComputedStyle(t).fontSize) * Math.hypot(t.getScreenCTM().a, t.getScreenCTM().b)));
"""
CONTRAST = """
const rgb = e => getComputedStyle(e).color.match(/[0-9.]+/g).slice(0, 3).map(Number);
const light = c => c.map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
  .reduce((sum, v, k) => sum + v * [.2126, .7152, .0722][k], 0);
const paper = light(getComputedStyle(document.body).backgroundColor.match(/[0-9.]+/g).slice(0, 3).map(Number));
const ratio = a => (Math.max(a, paper) + .05) / (Math.min(a, paper) + .05);
const texts = [...document.querySelectorAll('p, td, th, h1, h2, h3, figcaption, code')];
return Math.min(...texts.map(e => ratio(light(rgb(e)))));
"""


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    for package in ("chromium", "chromium-driver"):
        require_system(package)
    with browser(tmp_path_factory.mktemp("profile"), free_port()) as page:
        yield page


@pytest.fixture(params=[(WIDE, False), (WIDE, True), (PHONE, False), (PHONE, True)], ids=str)
def page(request: pytest.FixtureRequest, chromium: Page, finished: StudyFolder) -> Page:
    """The report of the small study, everything that is folded away opened."""
    width, dark = request.param
    chromium.look(width=width, dark=dark)
    chromium.requests()
    chromium.open(finished.report)
    chromium.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    return chromium


def test_page_is_whole_and_quiet(page: Page, finished: StudyFolder) -> None:
    assert page.run("return document.title") == f"{finished.study.name}: report"
    headings = page.run("return [...document.querySelectorAll('h2')].map(h => h.textContent)")
    assert headings[0] == "Answer"
    assert {"Trained and tested", "Costs", "Classes", "Spectrograms", "Clips", "Training", "Export"} < set(headings)
    assert page.errors() == []
    assert page.requests() == [finished.report.as_uri()]


def test_nothing_is_cut_or_covered(page: Page) -> None:
    assert page.run(STICKING_OUT) == []
    assert page.run("return document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert page.run(CLIPPED) == []
    assert page.run(COLLIDING) == []


def test_text_can_be_read(page: Page) -> None:
    assert page.run(SMALLEST_TEXT) >= 8.5
    assert page.run(CONTRAST) >= 4.5


def test_scheme_is_the_readers(chromium: Page, finished: StudyFolder) -> None:
    colours = []
    for dark in (False, True):
        chromium.look(width=WIDE, dark=dark)
        chromium.open(finished.report)
        colours.append(chromium.run("return getComputedStyle(document.body).backgroundColor"))
    assert colours == ["rgb(255, 255, 255)", "rgb(21, 24, 28)"]


def test_links_lead_within_the_page(chromium: Page, finished: StudyFolder) -> None:
    chromium.open(finished.report)
    missing = "return [...document.links].map(a => a.hash).filter(hash => !hash || !document.querySelector(hash))"
    assert chromium.run("return document.links.length") >= 8
    assert chromium.run(missing) == []


def test_folder_may_have_any_name(chromium: Page, finished: StudyFolder, tmp_path: Path) -> None:
    """Alone and elsewhere, as somebody gets it by mail."""
    alone = tmp_path / "a report & more.html"
    alone.write_bytes(finished.report.read_bytes())
    chromium.requests()
    chromium.open(alone)
    assert chromium.requests() == [alone.as_uri()]
    assert chromium.run("return [...document.images].every(i => i.complete && i.naturalWidth)")
