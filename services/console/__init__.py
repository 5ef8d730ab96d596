"""The console: the web page over the workbench, and the HTTP interface that it calls.

Files in the order in which data meets them: `http_api` and its routes, `accounts`, `user_files` and `runs` (the use
cases), `sql_records` (users, files and runs in a database), `workbench_client` (the workbench over gRPC).
"""
