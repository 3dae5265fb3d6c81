"""Networks as evaluators: the runtimes that can compute them, and which one is taken.

front.py             Inference: positions in, logits of legal moves and WDL out
torch_runtime.py     torch, on every device
openvino_runtime.py  OpenVINO on a CPU: float32, bfloat16 or float16, int8
choose.py            measures them and takes the fastest that agrees with torch float32
"""
