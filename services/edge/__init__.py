"""The rim that all processes share: what a second service would have to copy.

Decided here: errors and their status, deadline, admission, receipts, suggestion, whole_number, progress.
Read and written: settings (environment where a start must be lean), declaration, meter, cpu_share, whole_files, logs.
Spoken: grpc_server, grpc_channel, http_server (http_app adds OpenAPI), receipt_messages, receipt_bodies; stop.
"""
