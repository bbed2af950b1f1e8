"""CTR scoring: what a feature row is, how a model is trained, exported and served.

Serving imports `onnx_scorer`, `model_store` and what they need: numpy and onnxruntime, nothing that learns.
"""
