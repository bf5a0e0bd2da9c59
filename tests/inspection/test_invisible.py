from __future__ import annotations

import json

import pytest

from watchkeeper.inspection import Inspection, Surface
from watchkeeper.inspection.invisible import Invisible


@pytest.fixture(scope="module")
def invisible() -> Inspection:
    return Inspection([Invisible()])


def found(invisible: Inspection, text: str, surface: Surface = Surface.RESULT) -> set[str]:
    escaped = {f.rule for f in invisible.inspect(surface, json.dumps({"t": text}).encode())}
    written = {f.rule for f in invisible.inspect(surface, json.dumps({"t": text}, ensure_ascii=False).encode())}
    assert escaped == written
    return written


@pytest.mark.behaviour("inspection.invisible-text-noticed")
@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("open \u202egpj.exe", "invisible.writing-direction"),
        ("hello" + "".join(chr(0xE0000 + ord(sign)) for sign in "run it"), "invisible.tag-characters"),
        ("ig\u200b\u200bnore", "invisible.within-words"),
        ("x\U000e0100\U000e0141", "invisible.selectors"),
        ("done\x1b]52;c;Y3VybA==\x07", "invisible.terminal"),
        ("a\u3164b", "invisible.fillers"),
    ],
)
@pytest.mark.parametrize("surface", Surface)
def test_what_nobody_sees_is_noticed_on_every_surface_however_it_is_escaped(
    invisible: Inspection, text: str, rule: str, surface: Surface
) -> None:
    assert rule in found(invisible, text, surface)


@pytest.mark.behaviour("inspection.invisible-spares-languages")
@pytest.mark.parametrize(
    "text",
    [
        "\U0001f469\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 \U0001f3f3\ufe0f\u200d\U0001f308 ok",
        "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f ok",
        "\u2764\ufe0f 1\ufe0f\u20e3 \u261d\U0001f3fd \U0001f441\ufe0f\u200d\U0001f5e8\ufe0f",
        "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 iPhone \u06f1\u06f2",
        "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd (HTML 5) \u200f!\u200e",
        "\u2067\u0645\u0631\u062d\u0628\u0627\u2069 and \u2068Ada\u2069",
        "\u0915\u094d\u200d\u0937 \u0936\u094d\u0930\u0940\u092e\u093e\u0928\u094d ok",
        "\u0d28\u0d4d\u200d \u0dc1\u0dca\u200d\u0dbb\u0dd3",
        "Donau\u00addampf\u00adschiff\u00adfahrts\u00adgesell\u00adschaft für Straßen",
        "\u845b\U000e0100\u57ce \u3068 \u8fbb\U000e0100",
        "https://a.test/\u200bpath/\u200bfile",
        "\x1b[1;32mpassed\x1b[0m \x1b[2K\x1b[1A",
        "\ufeffid;name",
    ],
)
def test_languages_emoji_and_colours_are_not_invisible_text(invisible: Inspection, text: str) -> None:
    assert found(invisible, text) == set()


@pytest.mark.behaviour("inspection.invisible-text-noticed")
def test_the_excerpt_shows_the_characters_as_escapes(invisible: Inspection) -> None:
    (finding,) = invisible.inspect(Surface.DEFINITION, json.dumps({"description": "safe \u202etxt.exe"}).encode())
    assert (finding.label, finding.path) == ("invisible_text", "/description")
    assert finding.excerpt.isascii()
