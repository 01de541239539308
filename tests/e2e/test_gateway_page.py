"""The page in a real Chromium: what a person types, clicks and sees."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.support.gateway import DOCUMENTS, gateway, index_service, make_byte_level_index
from tests.support.small_index import make_text_index

SHOTS = Path(__file__).parents[2] / "build" / "screenshots"
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
)  # fmt: skip
TEXT = (
    "He wrote that natural language processing grew out of artificial intelligence, "
    "and that machine learning came later."
)
WIDE, PHONE = (1200, 900), (390, 844)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root = tmp_path_factory.mktemp("page")
    corpus, words = make_byte_level_index(root / "corpus"), make_text_index(root / "words")
    with (
        index_service(INDEXES=f"corpus={corpus},words={words}") as target,
        gateway(target) as client,
    ):
        yield str(client.base_url)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium")
    assert path, "chromium is missing; on Debian: apt-get install chromium"
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield opened
        opened.close()


Opened = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser, address: str) -> Iterator[Opened]:
    """Opens pages of the gateway; at the end none may have complained or asked elsewhere."""
    complaints: list[str] = []
    contexts = []

    def opened(
        path: str,
        size: tuple[int, int] = WIDE,
        *,
        dark: bool = False,
        scripts: bool = True,
        faulty: bool = False,
    ) -> Page:
        context = browser.new_context(
            base_url=address,
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if dark else "light",
            java_script_enabled=scripts,
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("console", lambda one: complaints.extend(_said(one.text, faulty)))
        page.on("pageerror", lambda one: complaints.append(f"error: {one}"))
        page.on("dialog", lambda one: complaints.append(f"dialog: {one.message}"))
        page.on("request", lambda one: complaints.extend(_foreign(one.url, address)))
        page.goto(path)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


def _said(words: str, faulty: bool) -> list[str]:
    """Chromium itself notes every answer that is a fault; where one is asked for, it may."""
    expected = faulty and "responded with a status of 400" in words
    return [] if expected else [f"console: {words}"]


def _foreign(url: str, address: str) -> list[str]:
    return [] if url.startswith((address, "data:")) else [f"request: {url}"]


def shot(page: Page, name: str) -> None:
    """Keep a picture, and see that nothing is wider than the window."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png", full_page=True)
    assert page.viewport_size is not None
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= page.viewport_size["width"]


def test_a_query_is_typed_and_its_documents_are_paged(open_page: Opened) -> None:
    page = open_page("/")
    shot(page, "home")
    page.get_by_role("searchbox").fill("of birds")
    page.get_by_role("button", name="Look up").click()
    expect(page.locator(".count strong")).to_have_text("25")
    expect(page.locator(".time .ms")).to_have_text(re.compile(r"^\d+(\.\d+)? ms$"))
    expect(page.locator(".chip .piece")).to_have_text(["␣of", "␣birds"])
    assert all(one.isdecimal() for one in page.locator(".chip .id").all_text_contents())
    expect(page.locator("figure").nth(0).locator(".piece").first).to_have_text("␣and")
    expect(page.locator("figure").nth(0).locator(".share").first).to_have_text("100.0 %")
    expect(page.locator("article mark")).to_have_text(["of birds"] * 10)
    expect(page.locator(".documents .aside")).to_have_text("1–10 of 25 places")
    shot(page, "look-up")
    seen = page.locator("article header b").all_text_contents()
    page.get_by_role("link", name="Next").click()
    expect(page.locator(".documents .aside")).to_have_text("11–20 of 25 places")
    expect(page.locator("#documents-title")).to_be_focused()
    assert "page=2" in page.url
    seen += page.locator("article header b").all_text_contents()
    page.get_by_role("link", name="Next").click()
    expect(page.locator(".documents .aside")).to_have_text("21–25 of 25 places")
    seen += page.locator("article header b").all_text_contents()
    assert sorted(seen) == sorted(f"doc/{n}" for n in range(5, 30))
    page.go_back()
    expect(page.locator(".documents .aside")).to_have_text("11–20 of 25 places")


def test_the_look_up_follows_the_typing(open_page: Opened) -> None:
    page = open_page("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("natural language")
    expect(page.locator(".count strong")).to_have_text("5")
    page.keyboard.type(" processing")
    expect(page.locator(".count strong")).to_have_text("3")
    assert page.url.endswith("natural+language+processing&index=corpus")
    page.reload()
    expect(page.locator(".count strong")).to_have_text("3")


def test_n_is_infinite_where_the_query_is_too_long(open_page: Opened) -> None:
    page = open_page("/?q=zebras+like+natural+language+processing")
    expect(page.locator(".count strong")).to_have_text("0")
    alone = page.locator("figure").nth(0)
    expect(alone).to_contain_text("never seen")
    infinite = page.locator("figure").nth(1)
    used = page.locator(".chip.used .piece").all_text_contents()
    assert "".join(used) == "␣natural␣language␣processing"
    expect(infinite.locator("figcaption em")).to_have_text(f"{len(used)} tokens")
    shares = [
        float(one.removesuffix(" %")) for one in infinite.locator(".share").all_text_contents()
    ]
    assert sum(shares) == pytest.approx(100, abs=0.2)
    widths = [
        one.bounding_box()["width"]  # type: ignore[index]
        for one in infinite.locator(".fill").all()
    ]
    assert widths == sorted(widths, reverse=True)
    shot(page, "infinity")
    chips = page.locator(".chip").count()
    infinite.locator("a.piece").first.click()
    expect(page.locator(".chip")).to_have_count(chips + 1)
    expect(page.locator(".chip.used")).to_have_count(len(used) + 1)
    page.go_back()
    expect(page.locator(".chip")).to_have_count(chips)
    page.get_by_role("link", name="See where its matched end does").click()
    expect(page.locator(".count strong")).to_have_text("3")
    expect(page.get_by_role("searchbox")).to_have_value("natural language processing")


def test_clauses_are_marked_each_in_its_colour(open_page: Opened) -> None:
    page = open_page("/?q=natural+language+processing+AND+deep+learning+OR+machine+learning")
    expect(page.locator(".count strong")).to_have_text("2")
    expect(page.locator("mark.c0").first).to_have_text("natural language processing")
    assert set(page.locator("mark.c1").all_text_contents()) == {
        "deep learning",
        "machine learning",
    }
    shot(page, "clauses")


def test_a_text_is_traced_and_a_stretch_opens(open_page: Opened) -> None:
    page = open_page("/")
    page.get_by_role("link", name="Trace a text").first.click()
    page.get_by_label("A text").fill(TEXT)
    page.get_by_label("Shortest stretch").fill("3")
    page.get_by_role("button", name="Trace").click()
    traced = page.locator(".traced p").first
    expect(traced).to_have_text(TEXT)
    stretch = traced.locator("a.span", has_text="grew out of artificial intelligence")
    assert stretch.evaluate("one => getComputedStyle(one).borderBottomStyle") == "solid"
    shot(page, "traced")
    stretch.click()
    expect(page.locator("#place article")).to_have_count(1)
    expect(page.locator("#place article")).to_contain_text(DOCUMENTS[1][:40])
    expect(page.locator("#place mark")).to_contain_text("grew out of artificial intelligence")
    expect(stretch).to_have_attribute("aria-current", "true")
    shot(page, "stretch")
    page.get_by_role("button", name="All stretches").press("Enter")
    expect(page.locator(".stretches li").first).to_be_visible()


def test_another_index_is_chosen(open_page: Opened) -> None:
    page = open_page("/?q=the+still+runs")
    expect(page.locator(".count strong")).to_have_text("0")
    page.get_by_label("Index").select_option("words")
    expect(page.locator(".count strong")).to_have_text("3")
    expect(page.locator("footer")).to_contain_text("corpus")


def test_documents_cannot_put_markup_into_the_page(open_page: Opened) -> None:
    page = open_page("/?q=" + "%3Cscript%3Ealert('natural+language')%3C/script%3E")
    expect(page.locator(".count strong")).to_have_text("1")
    expect(page.locator("article p")).to_contain_text("<script>alert('natural language')</script>")
    assert page.locator("main script").count() == 0


def test_a_fault_is_told_in_the_page(open_page: Opened) -> None:
    page = open_page("/", faulty=True)
    page.get_by_role("searchbox").fill("birds AND  OR oil")
    page.get_by_role("button", name="Look up").click()
    expect(page.get_by_role("alert")).to_contain_text("has nothing on one side of AND or OR")
    page.get_by_role("searchbox").fill("birds OR oil")
    expect(page.locator(".count strong")).to_have_text("50")
    page.goto("/documents?ids=no")
    expect(page.get_by_role("alert")).to_contain_text("ids must be token ids with commas between")


def test_all_works_without_scripts(open_page: Opened) -> None:
    page = open_page("/", scripts=False)
    page.get_by_role("searchbox").fill("of birds")
    page.get_by_role("searchbox").press("Enter")
    assert page.locator(".count strong").text_content() == "25"
    page.get_by_role("link", name="Next").click()
    assert page.locator(".documents .aside").text_content() == "11–20 of 25 places"
    page.get_by_role("link", name="Trace a text").first.click()
    page.get_by_label("A text").fill(TEXT)
    page.get_by_label("Shortest stretch").fill("3")
    page.get_by_role("button", name="Trace").click()
    page.locator(".traced a.span", has_text="grew out of artificial intelligence").click()
    assert page.locator("article header b").all_text_contents() == ["doc/1"]


def test_the_keyboard_reaches_everything(open_page: Opened) -> None:
    page = open_page("/?q=of+birds")
    reached = []
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.textContent.trim()"))
        if reached[-1].startswith("Next"):
            break
    assert reached[0] == "Skip to the content"
    for wanted in ("Stillhouse", "Look up", "Trace a text", "API", "␣and", "Next →"):
        assert wanted in reached
    page.keyboard.press("Enter")
    expect(page.locator(".documents .aside")).to_have_text("11–20 of 25 places")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_text_is_legible_in_every_light_and_width(
    open_page: Opened, size: tuple[int, int], dark: bool
) -> None:
    name = f"{'phone' if size == PHONE else 'wide'}-{'dark' if dark else 'light'}"
    page = open_page("/?q=natural+language+processing+AND+learning", size, dark=dark)
    shot(page, f"clauses-{name}")
    assert page.evaluate(CONTRAST) == []
    page.goto("/?q=she+said+natural+language")
    shot(page, f"look-up-{name}")
    assert page.evaluate(CONTRAST) == []
    page.goto("/trace")
    page.get_by_label("A text").fill(TEXT)
    page.get_by_label("Shortest stretch").fill("3")
    page.get_by_role("button", name="Trace").click()
    expect(page.locator(".traced")).to_be_visible()
    shot(page, f"traced-{name}")
    assert page.evaluate(CONTRAST) == []


def test_the_api_page_works_offline(open_page: Opened) -> None:
    page = open_page("/docs")
    expect(page.get_by_text("/v1/count", exact=True)).to_be_visible()
    shot(page, "api")


def test_pictures_are_no_products_of_the_repository() -> None:
    ignored = (Path(__file__).parents[2] / ".gitignore").read_text(encoding="utf-8").split()
    assert "build/" in ignored


def test_programs_get_json_where_people_get_the_page(address: str) -> None:
    with httpx2.Client(base_url=address, trust_env=False) as client:
        assert client.get("/").json() == ["corpus", "words"]
        assert client.get("/", headers={"Accept": "text/html"}).text.startswith("<!doctype html>")


CONTRAST = """
() => {
  // Texts whose contrast with what lies behind them is under 4.5 : 1 (WCAG 2, AA).
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const behind = (one) => {
    for (let at = one; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255, 255];
  };
  const light = (colour) => {
    const [r, g, b] = colour.slice(0, 3).map((one) => {
      const part = one / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const faint = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const one = texts.currentNode.parentElement;
    const words = texts.currentNode.textContent.trim();
    if (!words || one.closest(".off, .skip, script, option") || !one.checkVisibility()) continue;
    const [a, b] = [light(rgba(getComputedStyle(one).color)), light(behind(one))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) faint.push(`${words.slice(0, 30)}: ${ratio.toFixed(2)}`);
  }
  return faint;
}
"""
