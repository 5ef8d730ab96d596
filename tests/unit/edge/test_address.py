import pytest

from services.edge.address import split_address


@pytest.mark.parametrize(
    ("address", "parts"),
    [("127.0.0.1:0", ("127.0.0.1", 0)), ("[::1]:80", ("::1", 80)), ("localhost:65535", ("localhost", 65535))],
)
def test_an_address_splits_into_host_and_port(address: str, parts: tuple[str, int]) -> None:
    assert split_address(address) == parts


@pytest.mark.parametrize("address", ["", "foo", "localhost", ":80", "localhost:", "localhost:-1", "localhost:65536"])
def test_what_is_no_address_is_refused_and_quoted(address: str) -> None:
    with pytest.raises(ValueError, match=f"'{address}' is not host:port with a port from 0 to 65535"):
        split_address(address)
