"""The attention function: kernel, key bias, watched rows and KV cache."""
