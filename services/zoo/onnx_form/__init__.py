"""An engine as an ONNX program: its operations in float, and between QuantizeLinear and DequantizeLinear its scales."""
