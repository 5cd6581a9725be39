"""Read models: one folder each, with `apply` (pure), `tables` and `queries`. They never import each other."""
