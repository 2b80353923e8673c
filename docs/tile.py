"""Draw ``docs/tile.svg``, the block diagram of a tile: ``python docs/tile.py``."""

from pathlib import Path

PLACE = Path(__file__).with_suffix(".svg")
WIDTH, HEIGHT = 760, 210
# Left edge, top, width, height, and the lines of text; the first is the component's name.
BOXES = (
    (130, 76, 120, 60, "Entrance", "job queue, beats"),
    (290, 76, 190, 60, "MacArray", "blocks, two accumulators", "for each sum"),
    (520, 76, 150, 60, "Requantizers", "tables, output queue"),
    (520, 12, 150, 40, "ParameterStore", "two sets of records"),
)
# From, to, and what is written above the beginning.
ARROWS = (
    ((10, 86), (130, 86), "s_axis_job"),
    ((10, 106), (130, 106), "s_axis_activations"),
    ((10, 126), (130, 126), "s_axis_weights"),
    ((10, 32), (520, 32), "s_axis_parameters"),
    ((250, 106), (290, 106), ""),
    ((480, 106), (520, 106), "totals"),
    ((595, 52), (595, 76), ""),
    ((670, 106), (750, 106), "m_axis_o"),
)
NOTE = "Totals are exact; rounding happens once, in the requantizers. Nothing inside stalls."


def drawing() -> str:
    """Return the picture as SVG."""
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
             'font-family="sans-serif" font-size="12">',
             '<defs><marker id="tip" markerWidth="8" markerHeight="8" refX="7" refY="4" '
             'orient="auto"><path d="M0,0 L8,4 L0,8 z"/></marker></defs>',
             f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>']
    for left, top, width, height, name, *more in BOXES:
        lines.append(f'<rect x="{left}" y="{top}" width="{width}" height="{height}" rx="4" '
                     'fill="#eef3fa" stroke="#27496d"/>')
        for place, text in enumerate((name, *more)):
            weight = "normal" if place else "bold"
            lines.append(f'<text x="{left + width // 2}" y="{top + 18 + 16 * place}" '
                         f'text-anchor="middle" font-weight="{weight}">{text}</text>')
    for (x, y), (to_x, to_y), text in ARROWS:
        lines.append(f'<line x1="{x}" y1="{y}" x2="{to_x}" y2="{to_y}" stroke="black" '
                     'marker-end="url(#tip)"/>')
        if text:
            lines.append(f'<text x="{x + 2}" y="{y - 4}" font-size="11">{text}</text>')
    lines.append(f'<text x="{WIDTH // 2}" y="{HEIGHT - 30}" text-anchor="middle">{NOTE}</text>')
    return "\n".join([*lines, "</svg>", ""])


if __name__ == "__main__":
    PLACE.write_text(drawing())
