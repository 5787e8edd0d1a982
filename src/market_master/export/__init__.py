"""Export to ONNX: features, fitted model and calibration as one graph over raw bars."""
