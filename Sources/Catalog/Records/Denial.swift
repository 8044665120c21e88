/// What Spotify answered instead of an object (404, 400, 403), remembered in `temp` so that it is not asked again at once.
///
/// Stored as `<status> <message>`.
public struct Denial: Error, Sendable, Equatable {
    public var status: Int
    public var message: String

    public init(status: Int, message: String) {
        self.status = status
        self.message = message
    }

    var encoded: [UInt8] { Array("\(status) \(message)".utf8) }

    init?(encoded: [UInt8]) {
        let parts = String(decoding: encoded, as: UTF8.self).split(separator: " ", maxSplits: 1)
        guard let first = parts.first, let status = Int(first), (400...499).contains(status) else { return nil }
        self.init(status: status, message: parts.count == 2 ? String(parts[1]) : "")
    }
}
