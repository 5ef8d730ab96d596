"""What a layer runs: floats, weighted and weightless (integers) are the kernels, products oneDNN's calls under them.

`prepared` is a layer with its kernel and the conversions around it; `script` makes one call of a whole run.
"""
