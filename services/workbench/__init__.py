"""Models stepped, crossed, edited and quantised: one use case for each verb of `strata quant`, and the session.

Data: engine_model, integers, pictures, findings; graph_codec, tensor_codec, model_codec and integer_codec to bytes.
Verbs: opening, calibrating, running, crossing, comparing, report, exporting; session steps and edits, events its log.
Kept: files, picture_files, drawing. Served: workbench over open_sessions, owner_store; requests, converters, grpc_api.
"""
