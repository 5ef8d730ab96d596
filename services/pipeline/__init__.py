"""Records through stages: packing them, and the driver that runs a job."""
