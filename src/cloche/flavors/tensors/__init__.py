"""
Models of named tensors (ONNX, Keras): which columns go into which tensor, what comes out, how the two are found.

No library is known here: a model is met as a session, which says its inputs and outputs and runs on arrays.
"""
