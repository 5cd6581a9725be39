"""`hub bench`: the pipeline against a floor from the same run, on real parts. It measures and never asserts a time."""
