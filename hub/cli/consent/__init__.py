"""`hub consent`: the desk as commands. Only `show` asks the hub."""
