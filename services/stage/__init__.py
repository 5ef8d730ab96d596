"""One range of a model's layers as a service."""
