"""lab/tested.py: the page of what was run on which release."""

from types import SimpleNamespace

from lab import tested, tree


def test_the_page_is_as_a_run_writes_it():
    assert tested.PAGE.read_text() == tested.text(tested.rows())
    assert all(len(row) == len(tested.HEAD) for row in tested.rows())


def test_each_release_of_the_lab_has_its_number():
    assert set(tested.NUMBERS) == set(tree.RELEASES)


def test_a_row_takes_the_place_of_the_same_suite_on_the_same_release_and_salt(tmp_path):
    page = tmp_path / "tested.md"
    page.write_text(tested.text([]))
    assert tested.rows(page) == []
    runs = [("13", "3008.5", "1 failed"), ("12", "3008.5", "9 passed"), ("12", "3006.28", "7 passed"),
            ("13", "3008.5", "8 passed")]  # fmt: skip
    for debian, salt, result in runs:
        tested.record("`tests/fleet`", [debian, "11.1", "10.0", "11.3", "257", salt], result, page)
    found = [(row[1], row[-3], row[-2]) for row in tested.rows(page)]
    assert found == [("12", "3006.28", "7 passed"), *(runs[number] for number in (1, 3))]


def test_versions_of_hosts_that_differ_are_all_named():
    said = {
        "kvm1": "trixie\nglusterfs 11.1\nqemu-img version 10.0.13\n11.3.0\nsystemd 257\nsalt-call 3008.5 (A)\n",
        "kvm3": "forky\nglusterfs 11.2\nqemu-img version 11.1.2\n12.8.0\nsystemd 262\nsalt-call 3008.5 (A)\n",
    }
    master = SimpleNamespace(stdout="salt-run 3008.5 (Argon)\n")
    lab = SimpleNamespace(
        hosts=list(said), exec=lambda host, *words, check: SimpleNamespace(stdout=said[host]), run=lambda word: master
    )
    versions = ["13 and 14", "11.1 and 11.2", "10.0.13 and 11.1.2", "11.3.0 and 12.8.0", "257 and 262"]
    assert tested.versions(lab) == [*versions, "3008.5"]
    said = {host: text.replace("salt-call 3008.5", "salt-call 3006.28") for host, text in said.items()}
    assert tested.versions(lab) == [*versions, "3008.5 and 3006.28"]
