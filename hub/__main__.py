"""`python -m hub` is the command `hub`."""

from hub.starting import leave_quietly_until_it_listens

leave_quietly_until_it_listens()

from hub.cli import main  # noqa: E402 - the first import that takes its time

main()
