"""Fallbrücke: an event-sourced hub that lets two offices work on one family without sharing one system.

Agencies publish what a person consented to; the hub decides, shows and forgets. The packages are laid out in
``docs/`` and import in one direction only; nothing here does I/O when it is imported.
"""

__version__ = "0.1.0"
