"""One range of a model's layers as a service.

`domain` says what is refused; `source` reads a micro-batch, `engine` computes it; `usecases` puts them together, once
for each activation; `shared_meter` says what each of several at a time took; `process` is the process.
"""
