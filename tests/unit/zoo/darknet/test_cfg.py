import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.edge.errors import InvalidDeclaration
from services.zoo.darknet.cfg import Option, Section, parse_cfg, write_cfg
from services.zoo.darknet.networks import NAMES, describe
from services.zoo.darknet.options import READ, UNREAD, UNSUPPORTED

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
            READ[name][option](text)
        except ValueError:
            return False
        return True

    return st.one_of(whole, number, lists, word).filter(accepted)


@st.composite
def sections(draw: st.DrawFn) -> Section:
    name = draw(st.sampled_from(sorted(READ)))
    options = draw(st.lists(st.sampled_from(sorted(READ[name])), unique=True)) if READ[name] else []
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
        (NET + "[convolutional]\nxnor=1", ["line 6", "[convolutional] xnor", "only 0 is"]),
        (NET + "[convolutional]\nshare_index=3", ["[convolutional] share_index", "this option is not"]),
        (NET + "[region]\ntree=data/9k.tree", ["[region] tree", "this option is not"]),
        (NET + "[softmax]\ntemperature=3", ["[softmax] temperature", "only 1 is"]),
        (NET + "[reorg]\nextra=1", ["[reorg] extra", "only 0 is"]),
        (NET + "[shortcut]\nfrom=-2\nweights_type=per_channel", ["[shortcut] weights_type", "only none is"]),
        (NET + "[convolutional]\ndontload=1", ["[convolutional] dontload", "only 0 is"]),
        (NET + "[convolutional]\nactivation=mish#leaky", ["[convolutional] activation", "a note behind it"]),
        (NET + "[route]\nlayers=1 # see 2, 3", ["[route] layers", "'1#see2,3' is not whole numbers"]),
        (NET + "[route]\nlayers=1,2,", ["[route] layers", "'1,2,'"]),
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


@pytest.mark.parametrize("value", ["9" * 6000, "x" * 6000])
def test_a_fault_does_not_repeat_a_long_value_whole(value: str) -> None:
    with pytest.raises(InvalidDeclaration, match="is not a whole number") as caught:
        parse_cfg(f"{NET}[convolutional]\nfilters={value}")
    assert len(str(caught.value)) < 200


def test_what_inference_never_reads_is_taken_as_it_is() -> None:
    text = (
        "[net]\nwidth=32\nheight=32\nchannels=3\nbatch=1\nbatch=64\nsteps=400,450,\nscales=.1,.1\nmax_epochs=500\n"
        "[convolutional]\nlearning_rate=x\n[shortcut]\nfrom=-1\nfilters=64\n[yolo]\nrandom=1.4\nanchors=1,2\n"
    )
    assert [section.name for section in parse_cfg(text)] == ["net", "convolutional", "shortcut", "yolo"]


def test_of_two_equal_options_the_first_is_read() -> None:
    [net] = parse_cfg("[net]\nwidth=32\nwidth = 32\nbatch=1\nbatch=2\n")
    assert (net.integer("width"), net.options["batch"].text) == (32, "1")


@pytest.mark.parametrize("value", ["180###P6", "180 # comment", "180;comment"])
def test_a_note_behind_a_number_is_read_over(value: str) -> None:
    assert parse_cfg(f"{NET}[route]\nlayers={value}\n")[1].integers("layers") == (180,)
    assert parse_cfg(f"[net]\nwidth={value}\n")[0].integer("width") == 180


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_a_layer_of_darknet_that_is_not_computed_is_refused_by_its_name(name: str) -> None:
    with pytest.raises(InvalidDeclaration, match=rf"line 5, \[{name}\]: this kind of layer is not supported"):
        parse_cfg(f"{NET}[{name}]\n")


def test_no_option_is_both_read_and_never_read() -> None:
    assert not [(name, option) for name in READ for option in READ[name] if option in UNREAD[name]]
