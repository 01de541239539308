"""The script that makes a corpus of documentation: text out of pages, duplicates, split."""

from __future__ import annotations

import random
from pathlib import Path

from scripts import documentation_corpus as script


def test_text_comes_out_of_a_page_without_its_frame() -> None:
    page = (
        "<html><head><title>T</title></head><body><nav>Home</nav><script>x<y</script>"
        '<div class="body" role="main"><h1>Stills</h1><p>Run &amp;\n keep</p>'
        "<pre>if a &lt; b:\n  cut()</pre></div>"
        '<div class="sphinxsidebar">Next</div></body></html>'
    )
    assert script.html_text(page) == "Stills\nRun & keep\nif a < b:\ncut()"


def test_lines_that_many_documents_share_go() -> None:
    texts = [f"Menu\nof page {n}" for n in range(300)]
    assert script.without_shared_lines(texts) == [f"of page {n}" for n in range(300)]


def words(seed: int, count: int) -> list[str]:
    draw = random.Random(seed)
    return [str(draw.randrange(1000)) for _ in range(count)]


def test_near_duplicates_are_found_and_others_are_not() -> None:
    distinct = script.Distinct()
    text = words(1, 400)
    assert distinct.add(script.signature(" ".join(text)))
    assert not distinct.add(script.signature("  ".join([*text[:-1], "other"])))
    assert distinct.add(script.signature(" ".join(words(2, 400))))
    # Half of the text is too little to be the same document.
    assert distinct.add(script.signature(" ".join([*text[:200], *words(3, 200)])))
    assert distinct.add(script.signature("two words"))
    assert distinct.add(script.signature(""))


def test_no_document_is_in_two_files() -> None:
    inside = [
        script.Document(f"a{p}:{n}", " ".join(words(100 * p + n, 50)), f"a{p}")
        for p in range(3)
        for n in range(80)
    ]
    outside = [script.Document(f"b:{n}", " ".join(words(9000 + n, 50)), "b") for n in range(30)]
    outside.append(script.Document("b:copy", inside[0].text, "b"))
    files = script.split(inside, outside, script.HeldOut(20, 16))
    ids = [one.id for rows in files.values() for one in rows]
    assert len(ids) == len(set(ids)) == len(inside) + len(outside) - 1
    assert [len(files[name]) for name in ("validation-in", "test-in")] == [20, 20]
    assert len(files["corpus"]) == len(inside) - 40
    assert {one.domain for name in ("validation-out", "test-out") for one in files[name]} == {"b"}


def test_no_package_gives_more_than_its_share() -> None:
    rows = [script.Document(f"{p}:{n}", "text", p) for p in "abc" for n in range(30)]
    for size, expected in ((script.HeldOut(20, 5), 15), (script.HeldOut(6, 5), 6)):
        both = script.held_out(rows, size)
        assert [len(one) for one in both] == [expected, expected]
        assert not both[0] & both[1]
        for package in "abc":
            assert sum(one[0] == package for one in both[0] | both[1]) <= 10


def test_documents_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "doc" / "de").mkdir(parents=True)
    long = " ".join(words(5, 300))
    (tmp_path / "page.html").write_text(f"<p>{long}</p>")
    (tmp_path / "short.txt").write_text("too short")
    (tmp_path / "doc" / "de" / "page.html").write_text(f"<p>{long}</p>")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    assert [one.id for one in script.documents_in("p", tmp_path)] == ["p:page.html"]
