"""A tree drawn with matplotlib.

Layout, in points: a column a level, as wide as its widest text; a row a leaf; a split stands in the middle of its
children. The Axes' data units are these points, so a new figure shows the text at its size, and given Axes scale it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ramet._trees import Tree, text_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROW = 3.0  # height of a leaf's row, in font sizes: two lines and air
_PAD = 0.5  # around a text, in font sizes
_GAP = 4.5  # between columns, in font sizes: room for branches and their labels
_LONGEST_LINE = 44
_MARGIN = 0.4  # around the whole, in font sizes
_UP, _DOWN, _LINE, _SMALL = "#2c6fbb", "#c0492f", "#9aa5b1", "#6b7480"


@dataclass
class _Box:
    node: int
    lines: tuple[str, str]
    width: float
    leaf: bool
    cut: bool  # has children that are not drawn
    x: float = 0
    y: float = 0


class TreePicture:
    def __init__(self, tree: Tree, max_depth: int | None, fontsize: float) -> None:
        if max_depth is not None and max_depth < 0:
            raise ValueError(f"max_depth: {max_depth}. Give 0 or more, or None for all levels.")
        self.tree, self.fontsize = tree, fontsize
        self._limit = int(tree.depth.max()) if max_depth is None else max_depth
        self._boxes = {n: self._box(n) for n in np.flatnonzero(tree.depth <= self._limit).tolist()}
        self._place()

    def figure_size(self) -> tuple[float, float]:
        """In inches, the title included."""
        margins = 2 * _MARGIN * self.fontsize
        title = _text_width(self._title(), self.fontsize + 1)
        return max(self.width + margins, title + 10) / 72, (self.height + margins) / 72 + 0.45

    def draw(self, ax: Axes) -> None:
        ax.set_axis_off()
        margin = _MARGIN * self.fontsize
        ax.set_xlim(-margin, self.width + margin)
        ax.set_ylim(self.height + margin, -margin)
        ax.set_aspect("equal", adjustable="box", anchor="NW")
        ax.set_title(self._title(), fontsize=self.fontsize + 1, loc="left", color=_SMALL, parse_math=False)
        scale = self._scale(ax)
        for box in self._boxes.values():
            if not (box.leaf or box.cut):
                self._branch(ax, box, int(self.tree.left[box.node]), "yes", scale)
                self._branch(ax, box, int(self.tree.right[box.node]), "no", scale)
        for box in self._boxes.values():
            self._draw_box(ax, box, scale)

    def _title(self) -> str:
        tree = self.tree
        leaves = int(tree.is_leaf.sum())
        what = f", class {text_of(tree.class_)}" if tree.class_ is not None else ""
        return f"tree {tree.index} (round {tree.round}{what}): {leaves} {'leaf' if leaves == 1 else 'leaves'}"

    def _box(self, node: int) -> _Box:
        tree = self.tree
        leaf = bool(tree.is_leaf[node])
        cut = not leaf and int(tree.depth[node]) == self._limit
        rows = f"{tree.count[node]:,} {'row' if tree.count[node] == 1 else 'rows'}"
        if leaf:
            lines = (f"{tree.value[node]:+.4g}", rows)
        elif cut:
            lines = (f"… {_descendants(tree, node)} nodes", rows)
        else:
            lines = (_wrapped(tree, node), f"{rows}, gain {tree.gain[node]:.4g}")
        width = max(_text_width(lines[0], self.fontsize), _text_width(lines[1], self.fontsize - 1.5))
        return _Box(node, lines, width + 2 * _PAD * self.fontsize, leaf, cut)

    def _place(self) -> None:
        size, tree = self.fontsize, self.tree
        x = 0.0
        for depth in range(self._limit + 1):
            column = [box for box in self._boxes.values() if tree.depth[box.node] == depth]
            if not column:
                break
            for box in column:
                box.x = x
            x += max(box.width for box in column) + _GAP * size
        self.width = x - _GAP * size
        pending, row = [0], 0  # depth first, yes before no, without recursion
        order: list[_Box] = []
        while pending:
            box = self._boxes[pending.pop()]
            order.append(box)
            if box.leaf or box.cut:
                box.y = (row + 0.5) * _ROW * size
                row += 1
            else:
                pending += [int(tree.right[box.node]), int(tree.left[box.node])]
        for box in reversed(order):
            if not (box.leaf or box.cut):
                children = (self._boxes[int(side[box.node])] for side in (tree.left, tree.right))
                box.y = sum(child.y for child in children) / 2
        self.height = row * _ROW * size

    def _scale(self, ax: Axes) -> float:
        """Points of paper per point of layout: at most 1, less where the Axes are small."""
        figure: Any = ax.figure
        box = ax.get_position()
        width, height = figure.get_size_inches() * 72
        return float(min(1, box.width * width / self.width, box.height * height / self.height))

    def _branch(self, ax: Axes, box: _Box, child_node: int, answer: str, scale: float) -> None:
        from matplotlib.patches import PathPatch
        from matplotlib.path import Path

        child, size = self._boxes[child_node], self.fontsize
        begin, end = box.x + box.width, child.x
        bend = end - _GAP * size * 0.75
        straight = max(begin, end - _GAP * size)  # past the column's other boxes, then the curve
        points = [(begin, box.y), (straight, box.y), (bend + size, box.y), (bend, child.y), (end, child.y)]
        codes = [Path.MOVETO, Path.LINETO, Path.CURVE4, Path.CURVE4, Path.CURVE4]
        share = float(self.tree.count[child_node]) / max(1.0, float(self.tree.count[0]))
        width = (0.6 + 2.4 * share) * scale
        ax.add_patch(PathPatch(Path(points, codes), fill=False, edgecolor=_LINE, linewidth=width, capstyle="round"))
        up = answer == "yes"
        ax.text(
            end - 0.3 * size, child.y + (-0.2 if up else 0.2) * size, answer, fontsize=(size - 2) * scale,
            color=_SMALL, ha="right", va="bottom" if up else "top",
        )  # fmt: skip

    def _draw_box(self, ax: Axes, box: _Box, scale: float) -> None:
        from matplotlib.patches import FancyBboxPatch

        size, height = self.fontsize, (_ROW - 0.5) * self.fontsize
        value = float(self.tree.value[box.node])
        edge = (_UP if value > 0 else _DOWN if value < 0 else _LINE) if box.leaf else _LINE
        ax.add_patch(
            FancyBboxPatch(
                (box.x, box.y - height / 2), box.width, height, boxstyle=f"round,pad=0,rounding_size={0.4 * size}",
                facecolor="white", edgecolor=edge, linewidth=(1.2 if box.leaf else 0.8) * scale,
                linestyle="--" if box.cut else "-",
            )
        )  # fmt: skip
        middle = box.x + box.width / 2
        text: dict[str, Any] = {"ha": "center", "va": "center", "parse_math": False}
        color = edge if box.leaf and value != 0 else "black"
        ax.text(middle, box.y - 0.48 * size, box.lines[0], fontsize=size * scale, color=color, **text)
        ax.text(middle, box.y + 0.62 * size, box.lines[1], fontsize=(size - 1.5) * scale, color=_SMALL, **text)


def _wrapped(tree: Tree, node: int) -> str:
    """The question in one line: fewer categories, then a shorter name, where it would be long."""
    for categories in (8, 4, 2, 1):
        text = tree.condition(node, categories, ".5g")
        if len(text) <= _LONGEST_LINE:
            return text
    name = text_of(tree.model.feature_names[int(tree.feature[node])])
    rest = text[len(name) :]
    room = max(12, _LONGEST_LINE - len(rest))
    if len(name) > room:
        name = f"{name[: room // 2]}…{name[-(room - room // 2 - 1) :]}"
    return name + rest


def _descendants(tree: Tree, node: int) -> int:
    count, pending = 0, [node]
    while pending:
        inner = pending.pop()
        if not tree.is_leaf[inner]:
            pending += [int(tree.left[inner]), int(tree.right[inner])]
            count += 2
    return count


def _text_width(text: str, size: float) -> float:
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    width, _, _ = text_to_path.get_text_width_height_descent(text, FontProperties(size=size), ismath=False)
    return float(width)
