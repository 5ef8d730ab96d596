"""Several models answer at once, one rule combines them, and the front door says so over HTTP and gRPC.

Decided: domain, rules, preparation (pictures to tensors), fan_out (members until the deadline), usecases; served.
Measured: tally, intervals, evaluation, accuracy. Read: labelled pictures, ensemble_file, accuracy_file, loading.
Spoken: client and members call models; graph, or ray_app behind ray_graph; front_door opens http_api and grpc_api.
"""
