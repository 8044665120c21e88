"""What the program itself knows: names and defaults of its settings, from its sources."""

import re
from pathlib import Path


class Program:
    def __init__(self, root):
        settings = Path(root) / "Sources/Gateway/Settings"
        names = (settings / "SettingName.swift").read_text()
        #: The variable of each setting by its name in Swift.
        self.variables = dict(re.findall(r'case (\w+) = "([A-Z_]+)"', names))
        from_files = re.search(r"case ([.\w, ]+): rawValue \+ \"(_FILE)\"", names)
        self.file_variables = {self.variables[name.strip(" .")] + from_files[2] for name in from_files[1].split(",")}
        self._text = (settings / "Settings.swift").read_text()

    def knows(self, variable):
        return variable in self.variables.values() or variable in self.file_variables

    def text_default(self, name):
        """What stands beside a setting's name as its default: a mode, or the path of the socket or the data folder."""
        if name == "socketMode":
            return "0" + re.search(r"\} \?\? 0o([0-7]+)", self._text)[1]
        usual = {"listen": r'usualListen = ListenAddress\.unix\(path: "([^"]*)"', "dataDirectory": r'usualDataDirectory = "([^"]*)"'}[name]
        return re.search(usual, self._text)[1]

    def number_default(self, name):
        return int(re.search(rf"number\(\.{name}, default: ([\d_]+)", self._text)[1])

    def seconds_default(self, name):
        return int(re.search(rf"duration\(\.{name}, default: \.seconds\((\d+)\)", self._text)[1])
