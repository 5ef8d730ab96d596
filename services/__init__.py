"""Strata's services and what they share; a service never imports another.

Shared: contracts (generated messages), edge (the rim of every process), artifacts (the object store), zoo (models).
Services: model, ensemble, stage, pipeline, workbench, console; local runs them as child processes; cluster is an
installed one.
Over all: cli, the `strata` command; bench measures what the documents claim; loadtest gives the verdict on a load.
"""
