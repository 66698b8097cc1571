"""Settings of the whole suite."""

from hypothesis import settings

# Machines are shared: an example that takes long is no failure.
settings.register_profile("supple", deadline=None)
settings.load_profile("supple")
