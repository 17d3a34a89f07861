"""The page of the fleet in a browser, Debian's Chromium: on a screen and on a phone, in both schemes."""

import html
import json
import re
import shutil
import subprocess

import pytest

from tests.long.test_simulated import simulated
from tests.unit.conftest import CHECKOUT, Master, imported
from tests.unit.runners import test_gluster_one_causes as causes

SCREEN, PHONE = (1280, 900), (390, 844)
# What a browser makes of the page, in a frame, as a window of Chromium is 500 pixels wide at least. What it measures
# goes into an attribute, which --dump-dom shows. How bright a color is, and what contrast is: WCAG 2.
FRAME = r"""<!DOCTYPE html><html style="color-scheme: light dark"><body style="margin: 0">
<iframe style="border: 0; width: {}px; height: {}px" srcdoc="{}"></iframe>
<script>
const share = (c) => c <= 10.3 ? c / 3294 : ((c / 255 + .055) / 1.055) ** 2.4;
const bright = ([red, green, blue]) => .2126 * share(red) + .7152 * share(green) + .0722 * share(blue);
const parts = (color) => color.match(/[\d.]+/g).map(Number);
document.querySelector("iframe").onload = (event) => {{
  const frame = event.target.contentWindow, page = frame.document.documentElement;
  const find = (what) => frame.document.querySelector(what).getBoundingClientRect();
  const dark = frame.matchMedia("(prefers-color-scheme: dark)").matches;
  const contrast = (box) => {{
    let behind = dark ? [18, 18, 18] : [255, 255, 255];
    for (let at = box; at; at = at.parentElement) {{
      const color = parts(frame.getComputedStyle(at).backgroundColor);
      if (color.length < 4 || color[3] > .5) {{ behind = color; break; }}
    }}
    const pair = [bright(behind), bright(parts(frame.getComputedStyle(box).color))].sort((a, b) => a - b);
    return (pair[1] + .05) / (pair[0] + .05);
  }};
  document.documentElement.dataset.measured = JSON.stringify({{
    width: frame.innerWidth, wide: page.scrollWidth, dark, height: find("#picture").height,
    contrast: Math.min(...[...frame.document.querySelectorAll(".box, .said, code, summary, td")].map(contrast)),
    causes: find("#causes").top, picture: find("#picture").top,
  }});
}};
</script>"""


@pytest.fixture(scope="module")
def chromium():
    if not shutil.which("chromium"):
        install = ["apt-get", "install", "-q", "-y", "--no-install-recommends", "chromium"]
        subprocess.run(install, check=True, capture_output=True)
    # With all the processes that it starts it ends in time.
    return ["timeout", "-k", "5", "100", "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The page of fleets of some sizes, and of one with long names of which much is wrong."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        master = Master(monkeypatch, causes.PILLARS)
        down = {"kvm1": [causes.of_volume("brick_down", causes.B3, "it is down")]}
        dead = {"kvm2": [causes.finding("mount_dead", seen="the FUSE client is gone")]}
        four = causes.fleet(master, causes.joined(causes.EVERY, down, dead), causes.DOWN, ["kvm9"])
        odd = causes.fleet(master, causes.joined(causes.EVERY, down, dead), causes.DOWN)
    odd["nodes"] = {f"{name}{'-of-a-long-name' * 12}": node for name, node in odd["nodes"].items()}
    odd["volumes"] = {"v" * 200: odd["volumes"]["one_vol"]}
    odd["causes"] = [{**cause, "what": "w" * 900, "cure": "c" * 900} for cause in odd["causes"]] * 20
    output = imported(CHECKOUT / "_output/gluster_one_html.py").output
    found = {"4": output(four), "odd": output(odd)}
    for nodes in (300, 3000):
        folder = tmp_path_factory.mktemp(str(nodes))
        simulated(folder, nodes, "status")
        found[str(nodes)] = (folder / "fleet.html").read_text()
    return found


def seen(chromium, folder, text, size, dark=False):
    """What the browser says of a page; it keeps a picture beside it."""
    path = folder / "page.html"
    path.write_text(FRAME.format(*size, html.escape(text)))
    scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    command = [*chromium, scheme, f"--user-data-dir={folder}/profile", f"--window-size={size[0]},{size[1]}"]
    command += [f"--screenshot={folder}/page.png", "--dump-dom", f"file://{path}"]
    dumped = subprocess.run(command, check=True, capture_output=True, text=True)
    (measured,) = re.findall(r'data-measured="([^"]*)"', dumped.stdout)
    return json.loads(measured.replace("&quot;", '"'))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [SCREEN, PHONE], ids=["screen", "phone"])
@pytest.mark.parametrize("nodes", ["4", "300", "3000", "odd"])
def test_in_a_browser(chromium, pages, tmp_path, nodes, size, dark):
    found = seen(chromium, tmp_path, pages[nodes], size, dark)
    assert (found["width"], found["dark"]) == (size[0], dark)
    assert found["wide"] <= size[0], "nothing is beyond the right edge"
    assert found["contrast"] >= 4.5
    assert found["causes"] < found["picture"]
    if nodes != "odd":  # one screen of picture, and two of a phone for three thousand
        assert found["height"] <= size[1] * (2 if (nodes, size) == ("3000", PHONE) else 1)
