"""What a worker says when it ends because of something nobody foresaw: where, and never what was in it."""

import json
import subprocess
import sys

BUG = """
from hub.cli.logs import log_to_stderr
from hub.hosts.worker.exit import leave
log_to_stderr()
try:
    raise KeyError("somebody's name")
except KeyError as error:
    leave(error)
"""
SOFTWARE = 70


def test_a_bug_is_told_by_its_place_alone() -> None:
    ended = subprocess.run([sys.executable, "-c", BUG], capture_output=True, text=True, check=False)
    said = json.loads(ended.stderr.splitlines()[-1])
    assert (ended.returncode, said["error"], said["at"]) == (SOFTWARE, "KeyError", "<string>:6 <module>")
    assert "name" not in ended.stderr
