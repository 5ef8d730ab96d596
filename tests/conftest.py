"""What every test runs under.

One OpenMP thread a process, here and in the processes that tests start, so that two workers of pytest share two cores;
`make test-processors` asks for others. Torch reads it once, when it is imported.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
