"""Coverage: one catalogue of techniques as a matrix, with what stands behind each technique."""

from __future__ import annotations

from collections.abc import Sequence

from litestar import Response, get

from watchkeeper.core.errors import Unavailable
from watchkeeper.detect.proving.model import Covered, Matrix
from watchkeeper.web.detection import Coverage
from watchkeeper.web.show import Console, PageRequest, console_of, known

_FIRST = "safe-mcp"


@get("/coverage", sync_to_thread=True)
def coverage(request: PageRequest) -> Response[str]:
    """The catalogue that the address names; `gaps=1` shows its gaps alone."""
    console = console_of(request)
    found = known(lambda: _coverage(console), Coverage((), ()))
    wanted = request.query_params.get("framework", _FIRST)
    only_gaps = request.query_params.get("gaps") == "1"
    one = next((one for one in found.value.matrices if one.framework.name == wanted), None)
    columns = columns_of(one, only_gaps=only_gaps) if one is not None else []
    return console.page(
        request, "coverage", "Coverage", found=found, one=one, columns=columns, wanted=wanted, only_gaps=only_gaps
    )


def columns_of(one: Matrix, *, only_gaps: bool) -> list[tuple[str, Sequence[Covered]]]:
    """(tactic or category, its techniques); a technique stands in each of its columns."""
    columns: list[tuple[str, Sequence[Covered]]] = []
    for group in one.framework.groups:
        rows = [row for row in one.rows if group.id in row.groups and (row.is_gap or not only_gaps)]
        if rows:
            columns.append((group.title, rows))
    return columns


def _coverage(console: Console) -> Coverage:
    if console.services.coverage is None:
        raise Unavailable("coverage is not at hand here", hint="ask for it by `watchkeeper rules coverage`")
    return console.services.coverage.coverage()
