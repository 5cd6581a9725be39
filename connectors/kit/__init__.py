"""The compliance kit: sixteen checks that any source connector must pass, ours and a stranger's.

`pytest --hub-connector package:Source` runs them; `package.trial:Trial` tells it how to fill, change and break a system
of that kind. Each check is a function of one `Bench`, and what it promises is its docstring.
"""
