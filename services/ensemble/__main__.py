"""Run the front door: `python -m services.ensemble`.

Prints one JSON line on standard output when its servers run, with the ports they got; it is ready once the graph
answers. Ends with code 0 on SIGTERM, once the running requests are answered; with 2 where settings or declarations are
at fault; with 1 where the graph does not start or the fault is ours.
"""

import signal
import sys

if __name__ == "__main__":
    # Before the imports, which take a while: until it has a handler, process 1 of a container ignores the signal.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    from services.ensemble.process import main

    sys.exit(main())
