"""One model as a service: the Open Inference Protocol over gRPC and REST.

Decided: domain (what is refused), tensors (the protocol's forms), usecases (one forward pass at a time, its cost).
Spoken: grpc_api over converters, http_api over open_inference_json, metrics; kserve_model under KServe's own server.
Run: settings, process; a compiled model starts without torch.
"""
