"""What becomes of the kind of a text: Markdown that a parser reads as what it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from obelics_pipeline.document import TEXT_KINDS, TextNode
from obelics_pipeline.markdown import markdown

PARSER = MarkdownIt("commonmark").enable("table")

FORMS = {
    "a heading has the level of its element": ("heading", "One", "html/body[1]/h3[2]", "### One"),
    "a heading in parts": ("heading", "One\ntwo", "html/h1[1]/div[1]", "# One two"),
    "a heading that is none": ("heading", "One", "html/div[1]", "## One"),
    "a paragraph is verbatim": (
        "paragraph",
        "# no *heading*\n> nor quote",
        "p",
        "# no *heading*\n> nor quote",
    ),
    "a caption is verbatim": ("caption", "_A boat_", "p", "_A boat_"),
    "a list nests by four": ("list", "1. a\n  - b\n    - c\n2. d", "ol", "1. a\n    - b\n        - c\n2. d"),
    "a list nests under long numbers": (
        "list",
        "1999. a\n  - b\n2000. c",
        "ol",
        "1999. a\n      - b\n2000. c",
    ),
    "a list that begins deep": ("list", "    - a\n    - b\n      - c\n2. d", "ul", "- a\n- b\n    - c\n2. d"),
    "a list that goes on": ("list", "  more of one\n2. two", "ol", "more of one\n2. two"),
    "a table gets a head": (
        "table",
        "a | b\nc\n | d \\| e",
        "table",
        "| a | b |\n| --- | --- |\n| c |  |\n|  | d \\| e |",
    ),
    "a table of one column": ("table", "a\nb", "table", "a\nb"),
    "code is fenced": ("code", "  x = 1\n\ny", "pre", "```\n  x = 1\n\ny\n```"),
    "a fence is longer than those inside": ("code", "```\n`", "pre", "````\n```\n`\n````"),
    "a quote": ("quote", "one\n\ntwo", "blockquote", "> one\n>\n> two"),
    "a formula": ("math", "a^2", "math", "$$\na^2\n$$"),
}


@pytest.mark.parametrize(("kind", "text", "path", "expected"), FORMS.values(), ids=FORMS)
def test_each_kind_has_its_form(kind: str, text: str, path: str, expected: str) -> None:
    assert markdown(TextNode(kind, text, path)) == expected


def test_no_kind_is_forgotten() -> None:
    assert {kind for kind, *_ in FORMS.values()} == set(TEXT_KINDS)


def parsed(kind: str, text: str) -> list[Token]:
    return PARSER.parse(markdown(TextNode(kind, text, "html/h2[1]")))


lines = st.text("ab`~ |#>*\\", min_size=1).map(str.strip).filter(bool)


@given(st.lists(lines, min_size=1).map("\n".join))
def test_code_is_read_as_it_was(text: str) -> None:
    [fence] = parsed("code", text)
    assert (fence.type, fence.content) == ("fence", f"{text}\n")


words = st.text("abc", min_size=1)
cells = st.lists(st.text("ab|", max_size=3), min_size=2, max_size=4)


@given(st.lists(cells, min_size=1, max_size=4))
def test_a_table_is_read_with_all_its_cells(rows: list[list[str]]) -> None:
    text = "\n".join(" | ".join(cell.replace("|", "\\|") for cell in row) for row in rows)
    tokens = parsed("table", text)
    assert tokens[0].type == "table_open"
    found = [token.content for token in tokens if token.type == "inline"]
    width = max(map(len, rows))
    assert found == [cell for row in rows for cell in [*row, *[""] * (width - len(row))]]


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans(), words), min_size=1), st.integers(0, 999_999_999))
def test_lists_nest_as_they_did(items: list[tuple[int, bool, str]], number: int) -> None:
    text, depths = [], []
    numbered: dict[int, bool] = {}
    for depth, ordered, word in items:
        depth = min(depth, depths[-1] + 1 if depths else 0)
        numbered = {known: kind for known, kind in numbered.items() if known <= depth}
        ordered = numbered.setdefault(depth, ordered)
        depths.append(depth)
        text.append(f"{'  ' * depth}{f'{number}.' if ordered else '-'} {word}")
    found = [token.level for token in parsed("list", "\n".join(text)) if token.type == "list_item_open"]
    assert found == [1 + 2 * depth for depth in depths]
