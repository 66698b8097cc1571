"""Precision as a dimension: what a layer's bits are, how they are imitated, and the ranges that they need."""
