"""`python -m hub` is the command `hub`; so is the installed script."""

from hub.starting import leave_quietly_until_it_listens

leave_quietly_until_it_listens()


def main() -> None:
    """The command; its import is the first that takes its time."""
    from hub.cli import main as command

    command()


if __name__ == "__main__":
    main()
