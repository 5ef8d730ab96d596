"""Records through stages: packing them, the driver that runs a job, and what a job takes, measured or expected.

Run: packing; driver over client and job_store, under a lease; predictions, loss and report.
Sized: sizing finds a stage's memory floor. Expected: profile is what was measured, simulation what follows from it at a
place (places), planning what to choose; plan_file keeps a plan, comparison holds a run against it.
"""
