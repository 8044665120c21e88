"""The rules of CONTRIBUTING.md that can be measured: the house keeps them, and each is seen when a made-up house breaks it."""

import subprocess

import pytest

from house_tool import REPOSITORY, tool

house = tool.House(REPOSITORY)


def test_files_of_a_room_do_not_need_each_other_in_a_circle():
    assert not (found := list(house.circles_of_files())), "\n".join(found)


def test_rooms_do_not_need_each_other_in_a_circle():
    assert not (found := list(house.circles_of_rooms())), "\n".join(found)


def test_no_two_rooms_have_a_type_of_the_same_name():
    assert not (found := list(house.names_in_two_rooms())), "\n".join(found)


def test_rooms_import_rooms_below_them_alone():
    assert not (found := list(house.imports_up())), "\n".join(found)


def test_the_drawing_in_the_architecture_has_every_room():
    assert sorted(house.drawn) == sorted(house.rooms)


def test_no_function_is_too_long():
    assert not (found := list(house.long_functions())), "\n".join(found)


def test_files_are_neither_too_many_nor_too_short():
    assert not (found := list(house.sizes())), "\n".join(found)


# Each rule can be broken.

def test_a_made_up_house_breaks_no_rule(package):
    assert package.faults() == {}


def test_a_circle_of_files_is_seen(package):
    package.write("Hall/Stairs.swift", "struct Stairs { func up() { Hall.light() } }\n")
    assert package.faults() == {"a circle of files": ["Hall: Hall.swift ⇄ Stairs.swift"]}


def test_a_circle_over_three_files_and_a_function_is_seen(package):
    package.write("Kitchen/Stove.swift", "struct Stove { let pot: Pot }\n")
    package.write("Kitchen/Pot.swift", "struct Pot { func empty() { ladleOut() } }\n")
    package.write("Kitchen/Ladle.swift", "func ladleOut() { Stove.off() }\n")
    assert package.faults() == {"a circle of files": ["Kitchen: Ladle.swift ⇄ Pot.swift ⇄ Stove.swift"]}


@pytest.mark.parametrize("text", [
    "// Hall\n", "/* Hall, /* Hall */ Hall */\n", 'let a = "Hall"\n', 'let a = #"Hall " Hall"#\n', 'let a = """\n  "Hall"\n  """\n',
    'let a = "\\(b + "Hall") Hall"\n'])
def test_a_word_in_a_comment_or_a_string_is_no_use(package, text):
    package.write("Hall/Stairs.swift", "struct Stairs {}\n", text)
    assert package.faults() == {}


@pytest.mark.parametrize("text", ['let a = "\\(Hall.a)"\n', 'let a = "\\(b("x") + "\\(Hall.a)")"\n', 'let a = "\\\\" ; let b = Hall.a // "\n'])
def test_a_word_that_a_string_interpolates_or_that_stands_behind_one_is_a_use(package, text):
    package.write("Hall/Stairs.swift", "struct Stairs {}\n", text)
    assert list(package.faults()) == ["a circle of files"]


def test_a_type_name_in_two_rooms_is_seen(package):
    package.write("Kitchen/Window.swift", "enum Window { case shut }\n")
    assert package.faults() == {"a type name in two rooms": ["Window: Attic/Window.swift, Kitchen/Window.swift"]}


def test_types_within_types_may_be_called_alike(package):
    package.write("Kitchen/Pot.swift", "struct Pot {\n    struct Window {}\n}\n")
    assert package.faults() == {}


@pytest.mark.parametrize("line, fault", [
    ("import Attic\n", "Hall/Stairs.swift imports Attic, which does not stand below Hall"),
    ("@testable import Kitchen\n", "Hall/Stairs.swift imports Kitchen, which does not stand below Hall"),
    ("public import struct Kitchen.Stove\n", "Hall/Stairs.swift imports Kitchen, which does not stand below Hall")])
def test_an_import_that_does_not_go_down_is_seen(package, line, fault):
    package.write("Hall/Stairs.swift", line, "struct Stairs {}\n")
    assert package.faults()["an import that runs up"] == [fault]


def test_a_circle_of_rooms_is_seen(package):
    package.write("Cellar/Rat.swift", "import Hall\n", "struct Rat {}\n")
    assert package.faults()["a circle of rooms"] == ["Cellar ⇄ Hall"]


def test_a_room_that_nobody_drew_is_seen(package):
    package.write("Shed/Spade.swift", "struct Spade {}\n")
    assert package.faults() == {"an import that runs up": ["room Shed is not in the drawing of docs/architecture.md"]}


@pytest.mark.parametrize("begin", ["func cook(_ a: [Int] = { [1] }()) -> Int {\n", "init?(a: Int)\n    where A: B\n{\n", "deinit {\n",
                                   "subscript(a: Int) -> Int {\n", "static func < (a: A, b: A) -> Bool {\n"])
def test_a_function_of_45_lines_is_seen_and_one_of_44_may_be(package, begin):
    for lines, count in ((44, 0), (45, 1)):
        body = "        if a { b() }\n" * (lines - begin.count("\n") - 1)
        package.write("Kitchen/Pot.swift", "protocol Lid {\n    func shut()\n    init()\n}\nstruct Pot {\n", begin, body, "    }\n}\n")
        assert len(package.faults().get("a long function", [])) == count


def test_more_than_300_files_are_seen(package):
    for number in range(295):
        package.write(f"Cellar/Jar{number}.swift", f"struct Jar{number} {{}}\n")
    assert package.faults() == {}
    package.write("Cellar/Jar.swift", "struct Jar {}\n")
    assert package.faults() == {"a size": ["301 files, which are more than 300"]}


def test_a_small_median_is_seen(package):
    for name in ("A", "B", "C", "D", "E", "F"):
        package.write(f"Cellar/Jar{name}.swift", f"struct Jar{name} {{}}\n", lines=99)
    assert package.faults() == {"a size": ["the median of files is 99 lines, less than 100"]}


def test_8_of_a_hundred_files_under_30_lines_are_seen_and_7_may_be(package):
    for number in range(88):
        package.write(f"Cellar/Jar{number}.swift", f"struct Jar{number} {{}}\n", lines=30 if number < 10 else 100)
    for number in range(7):
        package.write(f"Cellar/Lid{number}.swift", f"struct Lid{number} {{}}\n", lines=29)
    assert package.faults() == {}
    package.write("Cellar/Jar0.swift", "struct Jar0 {}\n", lines=29)
    assert package.faults() == {"a size": ["8.0% of the files are shorter than 30 lines; it shall be less than 8%"]}


# The command.

def run(folder, *options):
    return subprocess.run([REPOSITORY / "scripts/house", folder, *options], capture_output=True, text=True)


def test_the_command_shows_rooms_by_floor_and_ends_with_0(package):
    done = run(package.folder)
    assert [line.split()[2] for line in done.stdout.splitlines() if line.startswith("  floor")] == ["Attic", "Hall", "Kitchen", "Cellar"]
    assert (done.returncode, done.stderr) == (0, "")


def test_the_command_says_what_is_broken_and_ends_with_1(package):
    package.write("Kitchen/Window.swift", "enum Window { case shut }\n")
    done = run(package.folder)
    assert "a type name in two rooms: Window: Attic/Window.swift, Kitchen/Window.swift\n" in done.stdout and done.returncode == 1


def test_the_command_shows_who_uses_whom_in_a_room(package):
    lines = run(package.folder, "--room", "Hall").stdout.splitlines()
    assert "    uses Hall/Stairs.swift: Stairs" in lines and "    uses Cellar/Cellar.swift: Cellar" in lines
    assert "    used by Attic/Window.swift" in lines


def test_a_room_that_is_none_is_an_error(package):
    done = run(package.folder, "--room", "Garage")
    assert (done.returncode, done.stderr) == (1, "There is no room Garage; there are Attic, Cellar, Hall, Kitchen.\n")
