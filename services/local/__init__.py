"""The embedded default: services as child processes on loopback, started on first use, stopped when idle.

process starts one (through child, which ends with its parent) and process_status knows whether it lives.
supervisor gives channels to those of one kind; models are one kind.
memory_group is a memory limit that a process is started under.
running is the note that a service left in the background leaves for other commands.
"""
