"""Run the console: `python -m services.console`.

Prints one JSON line on standard output when it is ready, with the port it got. Ends with code 0 on SIGTERM, once the
running requests are answered; with 2 where settings, the database or the store are at fault; with 1 where the fault is
ours.
"""

import signal
import sys

if __name__ == "__main__":
    # Before the imports, which take a while: until it has a handler, process 1 of a container ignores the signal.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    from services.console.process import main

    sys.exit(main())
