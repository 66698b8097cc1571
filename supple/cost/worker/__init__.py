"""The worker: measures on the device that it runs on, for searches that run elsewhere. It needs no PyTorch."""
