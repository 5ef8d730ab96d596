"""How slowly the body of a request may come, over HTTP and gRPC."""

GRACE_S = 10.0
LEAST_BYTES_PER_S = 64 * 2**10
"""A body may take `GRACE_S`, and longer by what it has sent at this pace."""
