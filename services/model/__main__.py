"""Run one model as a service: `python -m services.model`.

Prints one JSON line on standard output when it is ready, with the ports it got. Ends with code 0 on SIGTERM, once the
running requests are answered; with 2 where settings or the model are at fault; with 1 where the fault is ours.
"""

import os
import signal
import sys

if __name__ == "__main__":
    # Before the imports, which take a while: until it has a handler, process 1 of a container ignores the signal.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    # numpy's products are small, a picture's resizing: a second thread of OpenBLAS costs more than it computes.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from services.model.lean_asyncio import import_asyncio_without_tls

    import_asyncio_without_tls()
    from services.edge.exit_code import end_at_once
    from services.model.process import main

    end_at_once(main())
