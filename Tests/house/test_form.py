"""The form of the code, and the versions of what it is built with."""

import json
import re
import shutil
import subprocess

import pytest

from house_tool import REPOSITORY

COMMAND = "swift format lint -s -r -p Sources Tests Package.swift"


def swift_format():
    if not shutil.which("swift") or subprocess.run(["swift", "format", "--version"], capture_output=True).returncode:
        pytest.skip("there is no swift format here")


def test_all_swift_is_in_the_form_that_swift_format_asks_for():
    swift_format()
    done = subprocess.run(COMMAND.split(), cwd=REPOSITORY, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_another_form_is_seen(tmp_path):
    swift_format()
    shutil.copy(REPOSITORY / ".swift-format", tmp_path)
    (tmp_path / "A.swift").write_text("struct A {\n  let a : Int\n}\n")
    done = subprocess.run(["swift", "format", "lint", "-s", "A.swift"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode != 0 and "A.swift:2" in done.stderr


def test_contributing_names_the_command():
    assert COMMAND in (REPOSITORY / "CONTRIBUTING.md").read_text()


# Versions.

def asked(manifest):
    """Address and what is asked of the version, for every package that a manifest names."""
    for arguments in re.findall(r"\.package\(\s*url:(.*?)\)", manifest):
        address, _, rest = arguments.partition(",")
        yield address.strip(' "'), rest.strip()


def missed(manifest, resolved):
    """The packages of a manifest that are not built with exactly the version that it names."""
    for address, version in asked(manifest):
        named = re.fullmatch(r'exact: "([\d.]+)"', version)
        if not named or resolved.get(address) != named[1]:
            yield f"{address}: {version}, and {resolved.get(address)} is built"


def test_what_is_built_has_the_versions_that_the_manifest_names():
    state = REPOSITORY / ".build/workspace-state.json"
    if not state.is_file():
        pytest.skip("nothing has been built here: swift build")
    found = {each["packageRef"]["location"]: each["state"].get("checkoutState", {}).get("version")
             for each in json.loads(state.read_text())["object"]["dependencies"]}
    manifest = (REPOSITORY / "Package.swift").read_text()
    assert len(list(asked(manifest))) == manifest.count(".package(url:") > 1
    assert list(missed(manifest, found)) == []


@pytest.mark.parametrize("version", ['from: "1.2.3"', 'exact: "1.2.4"', 'branch: "main"'])
def test_another_version_is_seen(version):
    manifest = f'dependencies: [.package(url: "https://example.org/a", {version})]'
    assert list(missed(manifest, {"https://example.org/a": "1.2.3"})) == [f"https://example.org/a: {version}, and 1.2.3 is built"]
