"""How large a message may be."""

LARGEST_MESSAGE_BYTES = 2_000_000_000
"""What a server can be set to take: gRPC counts in signed 32 bits, and Ray wraps each message once more."""
