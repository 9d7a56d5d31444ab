"""Line plots as small SVG files, both axes logarithmic."""
import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 680, 360, 64, 210, 34, 48
COLOURS = ["#1b6ca8", "#c4511d", "#3a7d44", "#7b4fa3", "#8a6d1a", "#555555"]


def ticks(low, high, base):
    """Powers of the base from low to high, at most about eight."""
    first, last = math.floor(math.log(low, base) + 1e-9), math.ceil(math.log(high, base) - 1e-9)
    step = max(1, math.ceil((last - first) / 8))
    return [base ** k for k in range(first, last + 1, step)]


def label(value):
    if value >= 1 << 20 and value % (1 << 20) == 0:
        return f"{int(value) >> 20}M"
    if value >= 1 << 10 and value % (1 << 10) == 0:
        return f"{int(value) >> 10}k"
    return f"{value:g}"


class Axis:
    def __init__(self, values, base, begin, end):
        self.marks = ticks(min(values), max(values), base)
        low, high = min(self.marks[0], min(values)), max(self.marks[-1], max(values))
        if high <= low:
            high = low * base
        self.low, self.scale, self.begin = math.log(low), (end - begin) / (math.log(high) - math.log(low)), begin

    def at(self, value):
        return self.begin + (math.log(value) - self.low) * self.scale


def lines(path, title, xlabel, ylabel, series, ybase=2):
    """series: (name, [(x, y)], dashed) each; y > 0."""
    x = Axis([p[0] for _, points, _ in series for p in points], 4, LEFT, WIDTH - RIGHT)
    y = Axis([p[1] for _, points, _ in series for p in points], ybase, HEIGHT - BOTTOM, TOP)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
           'font-family="sans-serif" font-size="12">',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
           f'<text x="{LEFT}" y="20" font-weight="bold">{escape(title)}</text>']
    for mark in x.marks:
        out.append(f'<path d="M{x.at(mark):.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#e4e4e4"/>'
                   f'<text x="{x.at(mark):.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{label(mark)}</text>')
    for mark in y.marks:
        out.append(f'<path d="M{LEFT} {y.at(mark):.1f}H{WIDTH - RIGHT}" stroke="#e4e4e4"/>'
                   f'<text x="{LEFT - 6}" y="{y.at(mark) + 4:.1f}" text-anchor="end">{label(mark)}</text>')
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 12}" text-anchor="middle">{escape(xlabel)}</text>')
    out.append(f'<text transform="translate(16 {(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle">'
               f'{escape(ylabel)}</text>')
    for number, (name, points, dashed) in enumerate(series):
        colour, key = COLOURS[number % len(COLOURS)], TOP + 14 + 20 * number
        route = " ".join(f"{x.at(px):.1f},{y.at(py):.1f}" for px, py in points)
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        out.append(f'<polyline points="{route}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
        out.append(f'<path d="M{WIDTH - RIGHT + 12} {key}h22" stroke="{colour}" stroke-width="2"{dash}/>'
                   f'<text x="{WIDTH - RIGHT + 40}" y="{key + 4}">{escape(name)}</text>')
    out.append("</svg>\n")
    with open(path, "w") as file:
        file.write("\n".join(out))
