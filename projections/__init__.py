"""Read models: one folder each, with `apply` (pure), `tables`, `queries` and the `projection` that the hub loads by
entry point (`hub.ports.Projection`). They never import each other."""
