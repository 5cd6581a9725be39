"""Key stores: keys wrapped per controller, in a database of their own, and the keys that wrap them."""
