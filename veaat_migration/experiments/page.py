"""The look of the report: one HTML file that needs nothing else, on a desk or in a hand."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

_STYLE = """
:root { --ink: #1c2733; --soft: #5b6875; --line: #dde3e8; --paper: #ffffff; --tint: #f4f6f8; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--tint); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 1.2rem; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0.6rem 0; }
h2 { font-size: 1.25rem; margin: 2.2rem 0 0.6rem; }
p { margin: 0.5rem 0; max-width: 46rem; }
.soft { color: var(--soft); font-size: 0.9rem; }
.warning { background: #fff4d6; border: 1px solid #e0b84c; border-radius: 8px;
  padding: 0.6rem 0.9rem; max-width: none; }
.tiles { display: flex; flex-wrap: wrap; gap: 0.8rem; margin: 1rem 0; }
.tile { background: var(--paper); border: 1px solid var(--line); border-radius: 10px;
  padding: 0.6rem 1.1rem; min-width: 8.5rem; }
.tile b { display: block; font-size: 1.8rem; line-height: 1.2; }
.badge { display: inline-block; border-radius: 99px; padding: 0.1rem 0.65rem; font-size: 0.85rem;
  font-weight: 600; white-space: nowrap; border: 1px solid; }
.supported { background: #e3f1fb; color: #00507f; border-color: #0072b2; }
.depends { background: #fff4d6; color: #6b4e00; border-color: #e69f00; }
.not-supported { background: #fbe9e0; color: #8a3c00; border-color: #d55e00; }
table { border-collapse: collapse; width: 100%; background: var(--paper);
  border: 1px solid var(--line); font-size: 0.92rem; }
th, td { text-align: left; vertical-align: top; padding: 0.5rem 0.7rem;
  border-top: 1px solid var(--line); }
thead th { background: var(--tint); font-weight: 600; border-top: 0; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
th.number { text-align: right; }
.number small { display: block; color: var(--soft); font-size: 0.82em; }
tbody td:first-child { white-space: normal; min-width: 7rem; }
.scroll { overflow-x: auto; }
.figures { display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 28rem), 1fr)); }
figure { margin: 0; background: var(--paper); border: 1px solid var(--line); border-radius: 10px;
  padding: 0.9rem; }
figure img { width: 100%; height: auto; display: block; }
figure h3 { margin: 0 0 0.5rem; font-size: 1rem; }
figcaption { color: var(--soft); font-size: 0.88rem; margin-top: 0.4rem; }
dt { font-weight: 600; margin-top: 0.6rem; }
dd { margin: 0; max-width: 46rem; overflow-wrap: anywhere; }
table.cards th:nth-child(2) { width: 21%; }
table.cards th:nth-child(4) { width: 33%; }
table.cards th:nth-child(5) { width: 27%; }
@media (max-width: 700px) {
  main { padding: 0.8rem; }
  h1 { font-size: 1.4rem; }
  .tile { flex: 1; min-width: 6rem; padding: 0.5rem 0.7rem; }
  figure { padding: 0.5rem; }
  table.cards thead { display: none; }
  table.cards, table.cards tbody, table.cards tr, table.cards td { display: block; width: 100%; }
  table.cards { border: 0; background: none; }
  table.cards tr { background: var(--paper); border: 1px solid var(--line); border-radius: 10px;
    margin-bottom: 0.8rem; padding: 0.5rem 0.2rem; }
  table.cards td { border: 0; padding: 0.2rem 0.7rem; }
  table.cards td[data-name]:nth-child(n+4)::before { content: attr(data-name) ": ";
    color: var(--soft); }
}
@media print { body { background: none; } figure, tr { break-inside: avoid; } }
"""


def page(title: str, body: Iterable[str]) -> str:
    """A whole document."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(body)
        + "\n</main>\n</body>\n</html>\n"
    )


def words(text: str) -> str:
    """Plain text: lines break where it says, and never between a number and its per cent."""
    return escape(text).replace(" %", "&nbsp;%").replace("\n", "<br>")


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph of plain text."""
    return f'<p class="{kind}">{words(text)}</p>' if kind else f"<p>{words(text)}</p>"


def heading(text: str) -> str:
    """A section's heading."""
    return f"<h2>{escape(text)}</h2>"


def tiles(entries: Iterable[tuple[str, str]]) -> str:
    """Few large numbers with their names."""
    made = "".join(
        f'<div class="tile"><b>{escape(value)}</b>{escape(name)}</div>' for name, value in entries
    )
    return f'<div class="tiles">{made}</div>'


def badge(text: str) -> str:
    """A verdict."""
    return f'<span class="badge {escape(text.replace(" ", "-"))}">{escape(text)}</span>'


def cards(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of HTML cells that becomes a stack of cards on narrow screens."""
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join(
        "<tr>"
        + "".join(
            f'<td data-name="{escape(name)}">{cell}</td>' if cell else "<td></td>"
            for name, cell in zip(header, row, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    return f'<table class="cards"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def numbers(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of plain text whose first column has names and the others numbers.

    An interval in brackets behind a number stands below it: the table becomes half as wide.
    """
    first, *others = header
    head = f"<th>{escape(first)}</th>" + "".join(
        f'<th class="number">{escape(name)}</th>' for name in others
    )
    body = "".join(
        f"<tr><td>{escape(row[0])}</td>"
        + "".join(f'<td class="number">{_with_interval(cell)}</td>' for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        "</div>"
    )


def _with_interval(cell: str) -> str:
    number, bracket, interval = escape(cell).partition(" [")
    return f"{number}<small>[{interval}</small>" if bracket else number


def picture(file: Path, title: str, caption: str) -> str:
    """An SVG file inside the page."""
    data = b64encode(file.read_bytes()).decode("ascii")
    return (
        f"<figure><h3>{escape(title)}</h3>"
        f'<img alt="{escape(title)}" src="data:image/svg+xml;base64,{data}">'
        f"<figcaption>{words(caption)}</figcaption></figure>"
    )


def definitions(entries: Iterable[tuple[str, str]]) -> str:
    """Names and what they mean."""
    made = "".join(f"<dt>{escape(name)}</dt><dd>{words(text)}</dd>" for name, text in entries)
    return f"<dl>{made}</dl>"
