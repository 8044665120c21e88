import Foundation

/// A setting that does not parse: ends the start with one line.
public struct SettingError: Error, CustomStringConvertible, Sendable {
    public var name: String
    public var problem: String
    public var description: String { "\(name): \(problem)" }
}

/// Reads single settings from an environment. An empty variable counts as not set.
struct SettingsReader {
    var environment: [String: String]

    func text(_ name: SettingName) throws(SettingError) -> String? {
        if let file = name.fileVariable, let path = environment[file], !path.isEmpty {
            guard value(name.rawValue) == nil else {
                throw SettingError(name: file, problem: "\(name.rawValue) is set as well; set one of the two")
            }
            return try contents(of: path, for: file)
        }
        return value(name.rawValue)
    }

    func duration(_ name: SettingName, default fallback: Duration, atLeast least: Duration = .milliseconds(1)) throws(SettingError)
        -> Duration
    {
        guard let text = try text(name) else { return fallback }
        guard let duration = Duration(setting: text) else {
            throw wrong(name, text, "is not a duration; write a whole number and ms, s, m, h or d, as in 25s")
        }
        guard duration >= least else { throw wrong(name, text, "is too short") }
        return duration
    }

    func number(_ name: SettingName, default fallback: Int, in range: ClosedRange<Int>) throws(SettingError) -> Int {
        guard let text = try text(name) else { return fallback }
        guard let number = Int(text), range.contains(number) else {
            throw wrong(name, text, "is not a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    func choice<Choice: RawRepresentable & CaseIterable>(_ name: SettingName, default fallback: Choice) throws(SettingError) -> Choice
    where Choice.RawValue == String {
        guard let text = try text(name) else { return fallback }
        guard let choice = Choice(rawValue: text) else {
            let known = Choice.allCases.map(\.rawValue).joined(separator: ", ")
            throw wrong(name, text, "is none of: \(known)")
        }
        return choice
    }

    func url(_ name: SettingName, default fallback: String) throws(SettingError) -> String {
        guard let text = try text(name) else { return fallback }
        guard let url = BaseURL(text) else { throw wrong(name, text, "is not http:// or https:// with a host and no path") }
        return url.text
    }

    /// - Parameter shown: the value as typed; never for a secret.
    func wrong(_ name: SettingName, _ shown: String, _ problem: String) -> SettingError {
        SettingError(name: name.rawValue, problem: "'\(shown)' \(problem)")
    }

    private func value(_ variable: String) -> String? {
        environment[variable].flatMap { $0.isEmpty ? nil : $0 }
    }

    private func contents(of path: String, for variable: String) throws(SettingError) -> String {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw SettingError(name: variable, problem: "the file \(path) cannot be read")
        }
        let text = String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        guard !text.isEmpty else { throw SettingError(name: variable, problem: "the file \(path) is empty") }
        return text
    }
}

extension Duration {
    /// `<number><ms|s|m|h|d>`; nil for anything else.
    public init?(setting text: String) {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard digits.count <= 12, let number = Int64(digits) else { return nil }
        switch text.dropFirst(digits.count) {
        case "ms": self = .milliseconds(number)
        case "s": self = .seconds(number)
        case "m": self = .seconds(number * 60)
        case "h": self = .seconds(number * 3600)
        case "d": self = .seconds(number * 86_400)
        default: return nil
        }
    }
}
