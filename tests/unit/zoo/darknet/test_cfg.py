import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.edge.errors import InvalidDeclaration
from services.zoo.darknet.cfg import SECTIONS, Option, Section, parse_cfg, write_cfg
from services.zoo.darknet.networks import NAMES, describe

NET = "[net]\nwidth=32\nheight=32\nchannels=3\n"


@pytest.mark.parametrize("name", NAMES)
def test_a_network_written_and_read_back_is_the_same(name: str) -> None:
    sections = describe(name)
    assert parse_cfg(write_cfg(sections)) == sections


def values_of(option: str, name: str) -> st.SearchStrategy[str]:
    """Texts that this option's reader takes."""
    whole = st.integers(-(2**31) + 1, 2**31 - 1).map(str)
    number = st.floats(allow_nan=False, allow_infinity=False, width=32).map(repr)
    lists = st.one_of(*(st.lists(one, min_size=1, max_size=4).map(",".join) for one in (whole, number)))
    word = st.text("abcdefgh_=#[]", min_size=1)

    def accepted(text: str) -> bool:
        try:
            SECTIONS[name][option](text)
        except ValueError:
            return False
        return True

    return st.one_of(whole, number, lists, word).filter(accepted)


@st.composite
def sections(draw: st.DrawFn) -> Section:
    name = draw(st.sampled_from(sorted(SECTIONS)))
    options = draw(st.lists(st.sampled_from(sorted(SECTIONS[name])), unique=True)) if SECTIONS[name] else []
    return Section(name, {option: Option(draw(values_of(option, name))) for option in options})


@given(st.lists(sections(), max_size=4))
def test_any_sections_survive_writing_and_reading(layers: list[Section]) -> None:
    whole = (Section("net", {"width": Option("1")}), *layers)
    assert parse_cfg(write_cfg(whole)) == whole


@given(st.text() | st.text("[]=net\n#0123456789,-. \r\t", max_size=200))
def test_any_text_is_sections_or_a_typed_error(text: str) -> None:
    try:
        found = parse_cfg(text)
    except InvalidDeclaration:
        return
    assert parse_cfg(write_cfg(found)) == found


def test_blanks_and_comments_are_as_darknet_reads_them() -> None:
    found = parse_cfg("# a\n\n [ net ]\r\n wid th = 3 2 \n;b\n[route]\nlayers = -1, 8\n")
    assert [section.name for section in found] == ["net", "route"]
    assert found[0].integer("width") == 32
    assert found[1].integers("layers") == (-1, 8)
    assert found[1].line == 6


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (NET + "[convolutionel]\nfilters=1", ["line 5", "[convolutionel]", "unknown section"]),
        (NET + "[convolutional]\nfilter=1", ["line 6", "[convolutional] filter", "unknown option", "filters"]),
        (NET + "[convolutional]\n\nfilters=3x", ["line 7", "[convolutional] filters", "'3x'", "whole number"]),
        (NET + "[convolutional]\nfilters=99999999999", ["line 6", "whole number"]),
        (NET + "[yolo]\nanchors=1,nan", ["line 6", "[yolo] anchors", "finite"]),
        (NET + "[yolo]\nmask=1,,2", ["line 6", "[yolo] mask", "'1,,2'"]),
        (NET + "width=16", ["line 5", "[net] width", "stands twice", "line 2"]),
        (NET + "[maxpool\nsize=2", ["line 5", "']'"]),
        (NET + "filters", ["line 5", "'filters'"]),
        ("filters=1\n" + NET, ["line 1", "'filters'", "before the first section"]),
        ("[maxpool]\nsize=2\n" + NET, ["line 1", "first section must be [net]"]),
        ("", ["line 1", "first section must be [net]"]),
    ],
)
def test_a_fault_names_its_line_section_and_option(text: str, parts: list[str]) -> None:
    with pytest.raises(InvalidDeclaration) as fault:
        parse_cfg(text, "bad.cfg")
    assert str(fault.value).startswith("bad.cfg, line ")
    for part in parts:
        assert part in str(fault.value)
