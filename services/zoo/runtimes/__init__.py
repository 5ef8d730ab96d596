"""One file per runtime, each with `load(folder, threads)`; a process imports only the one that it uses."""
