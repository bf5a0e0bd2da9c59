"""Where the time of a call goes, as a picture: `python bench/flame.py OUT.svg [--seconds S]`.

Runs the gateway under the load of `bench/gateway.py` (`2kb_full`), samples it from outside with py-spy (`pip install
py-spy`; native frames included), and draws what was seen: a row a depth of the stack, as wide as its share of the time.
Without py-spy, wrk or nginx it says so and draws nothing.
"""

from __future__ import annotations

import argparse
import html
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import _peers as peers
from _messages import RESULT
from gateway import LOADS, run_wrk, script

WIDTH, ROW, FONT = 1200, 18, 11
LEAST = 0.004
"""Shares below this are not drawn."""
ROOTS = ("BaseEventLoop._run_once", "Journal._run", "GatewayControl._follow")
"""Where the three threads begin to be of interest."""
WAITING = ("Condition.wait", "_worker (", "Event.wait")
"""Who waits costs nothing; the sampler cannot always tell."""
COLOURS = {"ours": "#7aa2d6", "libraries": "#b9c7a6", "python": "#d9c58b", "native": "#d6a08c"}


@dataclass
class Frame:
    """A function where it stood in the stack, and how often it was seen there."""

    name: str
    count: int = 0
    below: dict[str, Frame] = field(default_factory=dict)


def tree_of(text: str) -> Frame:
    """Of py-spy's raw form: `outer;inner;innermost COUNT` a line. Lines of one function are one frame."""
    root = Frame("all")
    for line in text.splitlines():
        stack, _, count = line.rpartition(" ")
        if any(word in stack for word in WAITING):
            continue
        names = [name for name in map(without_line, stack.split(";")) if not name.startswith("0x")]
        begin = next((at for at, name in enumerate(names) if name.startswith(ROOTS)), 0)
        root.count += int(count)
        here = root
        for name in names[begin:]:
            here = here.below.setdefault(name, Frame(name))
            here.count += int(count)
    return root


def without_line(name: str) -> str:
    place, mark, number = name.rpartition(":")
    return f"{place})" if mark and number.rstrip(")").isdigit() else name


def kind_of(name: str) -> str:
    if "watchkeeper/" in name or name.startswith("watchkeeper"):
        return "ours"
    if "site-packages" in name or any(word in name for word in ("msgspec", "httptools", "hyperscan", "zstandard")):
        return "libraries"
    return "python" if ".py)" in name else "native"


def label_of(name: str) -> str:
    """`function (module)` without the folders that lead to it."""
    function, _, place = name.partition(" (")
    place = place.rstrip(")")
    for mark in ("watchkeeper/", "site-packages/", "lib/python3"):
        if mark in place:
            place = place.rpartition(mark)[2]
    return f"{function} ({place})" if place else function


def boxes(frame: Frame, left: float, depth: int, total: int) -> Iterator[str]:
    share = frame.count / total
    if share < LEAST:
        return
    width, top = share * WIDTH, depth * ROW
    label = html.escape(label_of(frame.name))
    fits = label[: max(0, int(width / (FONT * 0.58)) - 1)]
    yield (
        f'<g><title>{label}: {share:.1%}</title><rect x="{left:.1f}" y="{top}" width="{max(width - 0.5, 0.5):.1f}" '
        f'height="{ROW - 1}" fill="{COLOURS[kind_of(frame.name)]}"/>'
    )
    if len(fits) > 3:
        yield f'<text x="{left + 3:.1f}" y="{top + 13}">{fits}</text>'
    yield "</g>"
    for child in sorted(frame.below.values(), key=lambda one: -one.count):
        yield from boxes(child, left, depth + 1, total)
        left += child.count / total * WIDTH


def depth_of(frame: Frame, total: int) -> int:
    deep = [depth_of(child, total) for child in frame.below.values() if child.count / total >= LEAST]
    return 1 + max(deep, default=0)


def picture(root: Frame) -> str:
    height = depth_of(root, root.count) * ROW + 30
    legend = "".join(
        f'<rect x="{10 + at * 130}" y="{height - 20}" width="12" height="12" fill="{colour}"/>'
        f'<text x="{27 + at * 130}" y="{height - 10}">{word}</text>'
        for at, (word, colour) in enumerate(COLOURS.items())
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="monospace" '
        f'font-size="{FONT}"><rect width="{WIDTH}" height="{height}" fill="#fbfbf9"/>'
        + "".join(boxes(root, 0, 0, root.count))
        + legend
        + "</svg>\n"
    )


def sample(seconds: int) -> str:
    with tempfile.TemporaryDirectory(prefix="watchkeeper-bench-") as name:
        folder, port = Path(name), peers.free_port()
        url = f"http://127.0.0.1:{port}/mcp"
        raw = folder / "raw"
        with (
            peers.nginx(folder, "server", peers.answering(port, RESULT, folder), 1),
            peers.ours(folder / "data", url) as way,
        ):
            lua = script(folder, LOADS[0], way)
            run_wrk(way.url, lua, 16, 1)
            watching = subprocess.Popen(
                ["py-spy", "record", "-n", "-r", "400", "-d", str(seconds), "-f", "raw", "-o", raw, "-p", str(way.pid)],
                stdout=subprocess.DEVNULL,
            )
            run_wrk(way.url, lua, 16, seconds + 2)
            watching.wait()
        return raw.read_text(encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seconds", type=int, default=15)
    options = parser.parse_args()
    missing = [tool for tool in ("py-spy", "wrk", "nginx") if not shutil.which(tool)]
    if missing:
        sys.exit(f"SKIPPED: {', '.join(missing)} not installed; nothing was drawn")
    options.out.write_text(picture(tree_of(sample(options.seconds))), encoding="utf-8")


if __name__ == "__main__":
    main()
