"""Measures what the documents claim: each area writes one flat object, key to number, and where it was measured.

ensemble (local_figures here, cluster_figures on Knative, over clients and cluster), quant (quant_*, libdarknet),
pipeline (pipeline_*), slo (slo_*, floor over echo).

rounds measures in turns, document writes the figures, report the page with its plots.
"""
