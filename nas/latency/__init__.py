"""Latency of architectures: a lookup table fitted to whole models, a learned residual, an honest bound."""
