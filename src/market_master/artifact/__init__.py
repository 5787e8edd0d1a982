"""Artefact of a model version: its files, which learning writes and serving reads.

NumPy and onnxruntime only.
"""
