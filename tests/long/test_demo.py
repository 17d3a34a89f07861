"""`make demo`, which looks at each of its steps itself and ends at the first that is not as it should be."""

import subprocess
import sys

import pytest

from lab.fleet import CHECKOUT


@pytest.mark.timeout(600)
def test_demo_comes_to_its_end():
    done = subprocess.run([sys.executable, CHECKOUT / "lab/demo.py"], capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    assert "All as it should be" in done.stdout
