"""What a model version is made of, and what learning and serving both read of it. NumPy and onnxruntime only."""
