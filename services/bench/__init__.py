"""Measures what the documents claim: each area writes one flat object, key to number, and where it was measured."""
