"""Run a job's driver: `python -m services.pipeline`.

Settings are the environment variables that begin with PIPELINE_. Its last line on standard output is the report, as
JSON; its exit codes are those of `strata pipeline run`.
"""

import signal
import sys

if __name__ == "__main__":
    # Before the imports, which take a while: until it has a handler, process 1 of a container ignores the signal.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    from services.pipeline.process import main

    sys.exit(main())
