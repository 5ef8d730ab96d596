"""ONNX programs as graphs: made plain by ONNX Runtime, translated node by node, folded, and held to its answers."""
