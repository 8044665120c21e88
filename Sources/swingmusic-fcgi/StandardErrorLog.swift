import Foundation
import Gateway
import Glibc
import JSON
import Logging
import Platform

/// Log lines on standard error, one an event, each in one write so that workers' lines do not mix.
struct StandardErrorLog: LogHandler {
    let label: String
    let format: Settings.LogFormat
    private var level: Logger.Level
    private var own: Logger.Metadata = [:]

    init(label: String, format: Settings.LogFormat, level: Logger.Level) {
        self.label = label
        self.format = format
        self.level = level
    }

    var logLevel: Logger.Level {
        get { level }
        set { level = newValue }
    }

    var metadata: Logger.Metadata {
        get { own }
        set { own = newValue }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { own[key] }
        set { own[key] = newValue }
    }

    func log(event: LogEvent) {
        let line = LogLine(
            time: SystemClock().wall, process: getpid(), level: event.level, message: event.message.description,
            metadata: own.merging(event.metadata ?? [:]) { $1 }.sorted { $0.key < $1.key })
        let bytes = Array(((format == .json ? line.json : line.text) + "\n").utf8)
        _ = bytes.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}

/// One line of the log in either format.
struct LogLine {
    var time: WallTime
    var process: pid_t
    var level: Logger.Level
    var message: String
    var metadata: [(key: String, value: Logger.MetadataValue)]

    /// Unicode scalars of what a line says. The journal cuts a line at 48 KiB, Docker at 16, and what followed would be a line of its own that says
    /// what somebody likes: as JSON a scalar may take six bytes.
    private static let longest = 2000

    /// `2026-11-22T19:33:00.042Z info [4711] message key=value`, control characters replaced so that no message makes a second line.
    var text: String {
        let extras = metadata.map { " \($0.key)=\($0.value)" }.joined()
        var room = Self.longest
        return "\(time.preciseText) \(level) [\(process)] \(Self.cut((message + extras).printable, &room))"
    }

    /// Numbers are numbers in it.
    var json: String {
        var room = Self.longest
        var members: [(String, JSONValue)] = [
            ("time", .string(time.preciseText)), ("level", .string("\(level)")), ("pid", .integer(process)),
            ("message", .string(Self.cut(message.printable, &room))),
        ]
        members += metadata.map { ($0.key, Self.value($0.value, &room)) }
        let object = JSONValue.object(members.map { JSONMember($0.0, $0.1) })
        return String(decoding: JSONWriter.bytes(of: object, JSONWriter.Style(escapes: .short)), as: UTF8.self)
    }

    private static func value(_ value: Logger.MetadataValue, _ room: inout Int) -> JSONValue {
        guard case .stringConvertible(let original) = value else { return .string(cut(value.description.printable, &room)) }
        return switch original {
        case let number as any BinaryInteger: .integer(number)
        case let number as Double: .double(number)
        case let truth as Bool: .bool(truth)
        default: .string(cut(value.description.printable, &room))
        }
    }

    /// As much as there is room for, which is less then.
    private static func cut(_ text: String, _ room: inout Int) -> String {
        let scalars = text.unicodeScalars
        // Most lines are short, and then nothing is counted.
        let count = text.utf8.count <= room ? text.utf8.count : scalars.count
        defer { room -= min(room, count) }
        return count <= room ? text : String(String.UnicodeScalarView(scalars.prefix(room))) + "…"
    }
}
