import Foundation
import Testing

@testable import Gateway

@Suite struct SettingsPageTests {
    static let page: String = {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        return (try? String(contentsOf: root.appending(path: "docs/settings.md"), encoding: .utf8)) ?? ""
    }()

    @Test("The settings page has a row for every setting, with its _FILE variant", arguments: SettingName.allCases)
    func described(_ name: SettingName) {
        let row = Self.page.split(separator: "\n").first { $0.hasPrefix("| `\(name.rawValue)`") }
        #expect(row != nil)
        #expect(row?.contains("_FILE`") == (name.fileVariable != nil))
    }

    @Test("The settings page names no variable that the program does not read")
    func known() {
        let known = Set(SettingName.allCases.flatMap { [$0.rawValue, $0.fileVariable].compactMap(\.self) })
        let named = Self.page.matches(of: /`((?:SWINGMUSIC|SPOTIFY|DRAGONFLYDB|SESSION|USER|TEMP)_[A-Z_]+)`/).map { String($0.1) }
        #expect(!named.isEmpty)
        for name in named { #expect(known.contains(name), "\(name) is not a setting") }
    }
}
