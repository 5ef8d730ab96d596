"""Torch's exported programs as graphs: functionalised, then operator by operator, then folded."""
