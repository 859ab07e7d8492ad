"""The chart of the README: OmniDaemon beside its peers, as SVG that is legible on light pages and on dark ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

_NAMES = {"earlier_omnidaemon": "omnidaemon 0.1.1", "omnidaemon": "OmniDaemon"}
_OURS = "omnidaemon"
_PANELS = (
    ("drain /s", "Tasks a second, one worker process", "longer is better", True),
    ("worker CPU µs per task", "Worker CPU for each task, µs", "shorter is better", False),
)
_WIDTH, _LABELS, _VALUES, _ROW, _BAR, _HEAD = 680, 150, 70, 24, 16, 58
_STYLE = """
 .page { fill: #ffffff } text { fill: #1f2328; font: 13px system-ui, sans-serif } .title { font-weight: 600 }
 .note { fill: #59636e; font-size: 12px } .bar { fill: #8c959f } .ours { fill: #0969da }
 @media (prefers-color-scheme: dark) {
  .page { fill: #0d1117 } text { fill: #e6edf3 } .note { fill: #9198a1 } .bar { fill: #656c76 } .ours { fill: #4493f8 }
 }
"""


def chart(figures: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """A panel for each of what matters most, a bar for each that was measured beside the others on Redis."""
    shown = [name for name, told in figures.items() if "," not in name and "enqueue one by one /s" in told]
    parts: list[str] = []
    top = 0
    for key, title, note, is_more_better in _PANELS:
        values = {name: figures[name][key]["median"] for name in shown}
        order = sorted(shown, key=values.__getitem__, reverse=is_more_better)
        parts += _panel(top, title, note, [(name, values[name]) for name in order])
        top += _HEAD + _ROW * len(shown)
    height = top + 14
    size = f'width="{_WIDTH}" height="{height}"'
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" {size} role="img">',
            f"<title>{_told(figures, shown)}</title>",
            f"<style>{_STYLE}</style>",
            f'<rect class="page" {size} rx="6"/>',
            *parts,
            "</svg>\n",
        )
    )


def _panel(top: int, title: str, note: str, rows: Sequence[tuple[str, float]]) -> list[str]:
    longest = max((value for _, value in rows), default=1.0)
    room = _WIDTH - _LABELS - _VALUES
    parts = [
        f'<text class="title" x="16" y="{top + 28}">{escape(title)}</text>',
        f'<text class="note" x="16" y="{top + 46}">{note}</text>',
    ]
    for number, (name, value) in enumerate(rows):
        at = top + _HEAD + _ROW * number
        length = max(1.0, room * value / longest)
        ours = "ours" if name == _OURS else "bar"
        parts += [
            f'<text x="{_LABELS - 8}" y="{at + 13}" text-anchor="end">{escape(_NAMES.get(name, name))}</text>',
            f'<rect class="{ours}" x="{_LABELS}" y="{at}" width="{length:.1f}" height="{_BAR}" rx="2"/>',
            f'<text x="{_LABELS + length + 6:.1f}" y="{at + 13}">{value:,.0f}</text>',
        ]
    return parts


def _told(figures: Mapping[str, Mapping[str, Mapping[str, float]]], shown: Sequence[str]) -> str:
    """The same in words, for who hears the page."""
    rates = (f"{_NAMES.get(name, name)} {figures[name]['drain /s']['median']:,.0f}" for name in shown)
    return escape(f"Tasks a second: {', '.join(rates)}")
