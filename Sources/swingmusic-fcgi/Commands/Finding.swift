import Foundation

/// One line of `check`: what was looked at, how it stands, and what to do about it.
struct Finding: Encodable {
    enum Grade: String, Encodable { case ok, warning, error }

    var grade: Grade
    /// A setting, a file, or a few words: what the line is about.
    var subject: String
    var detail: String
    /// nil where nothing is to be done.
    var remedy: String?

    static func ok(_ subject: String, _ detail: String) -> Finding { Finding(grade: .ok, subject: subject, detail: detail) }

    static func warning(_ subject: String, _ detail: String, remedy: String) -> Finding {
        Finding(grade: .warning, subject: subject, detail: detail, remedy: remedy)
    }

    static func error(_ subject: String, _ detail: String, remedy: String) -> Finding {
        Finding(grade: .error, subject: subject, detail: detail, remedy: remedy)
    }

    /// One line, and a second for the remedy.
    var text: String {
        let mark = grade.rawValue.padding(toLength: 8, withPad: " ", startingAt: 0)
        return "\(mark) \(subject): \(detail)" + (remedy.map { "\n         -> \($0)" } ?? "")
    }
}
