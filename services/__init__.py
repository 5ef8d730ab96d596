"""Strata's services and what they share; a service never imports another.

Shared: contracts (generated messages), edge (the rim of every process), zoo (models by name).
Services: model, ensemble, workbench, cluster (what an installed release has); local runs them as child processes.
Over all: cli, the `strata` command, and bench, which measures what the documents claim.
"""
