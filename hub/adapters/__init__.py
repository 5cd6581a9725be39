"""The world outside behind the ports of `hub.ports`: clocks, event logs, key stores."""
