"""What batch work keeps in an object store, and the store itself.

`store` is one interface over a folder, S3 and memory; `frames` is the form that files are streamed in; `record` and
`activation` are the two kinds of file.
"""
