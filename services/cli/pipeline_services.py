"""What `--services` names: stages that run elsewhere."""

import grpc

from services.edge.address import split_address
from services.edge.errors import InvalidInput


def split_service(text: str) -> tuple[str, str]:
    """Split HOST:PORT/NAME into the address and the name an ingress knows the stage by, which may be empty."""
    address, _, authority = text.strip().partition("/")
    try:
        split_address(address)
    except ValueError as error:
        raise InvalidInput(f"--services: {error}") from error
    return address, authority


async def always(channel: grpc.aio.Channel) -> grpc.aio.Channel:
    """A channel that is there, as what starts services gives one."""
    return channel
