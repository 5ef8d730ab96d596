"""Places to simulate: what published figures say of them."""

from services.pipeline.simulation import Store

AWS = Store(latency_s=0.1, bytes_per_s=85e6, transfers=1000)
"""S3 by AWS' design guidelines: 100 to 200 ms to the first byte of a small object, 85 to 90 MB/s of one connection; it
scales with the connections. (https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html)"""

SERVERLESS_CPUS = 4096
"""More than there are workers: each instance brings its own."""
