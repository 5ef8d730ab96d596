"""Pure numerics, tensors in and tensors out: a graph of layers, its integers, and what runs, compares and edits them.

Model: operations, graph, folding. Codes: affine, scales; histogram, observations, algorithms, calibration choose them,
refinements and reconstruction better them. Runs: precision, cpu, kernels, engine; reference is the integer definition;
layer_costs, plan_path and plan_choice find what AUTO takes.
Looking and changing: states, value_figures, stepping, layer_info, crossing, diagnosis, statistics, decibels; variant,
edits, remedies.
"""
