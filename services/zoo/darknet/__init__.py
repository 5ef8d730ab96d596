"""Darknet's networks: cfg and weights in and out, and both as a graph the engine runs."""
