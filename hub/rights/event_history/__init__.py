"""What happened to an event, step by step and place by place: names of fields, rules and norms, never a value."""
