import FastCGI
import JSON
import Platform

/// The shape in which a family of routes speaks of errors.
enum ErrorFormat: Sendable {
    /// The Web API's: `{"error":{"status":404,"message":"..."}}`.
    case spotify
    /// The web client's, the caches' and our own: `{"error":"..."}`.
    case plain
    /// swingmusic's: `{"msg":"..."}`.
    case swingmusic

    static let json = "application/json"

    func error(_ status: Int, _ message: String) -> Response {
        let text = JSONWriter.quoted(message)
        let body: [UInt8]
        switch self {
        case .spotify: body = Array(#"{"error":{"status":\#(status),"message":"#.utf8) + text + Array("}}".utf8)
        case .plain: body = Array(#"{"error":"#.utf8) + text + Array("}".utf8)
        case .swingmusic: body = Array(#"{"msg":"#.utf8) + text + Array("}\n".utf8)
        }
        var response = Response(status: status, contentType: Self.json, body: body)
        response.add("Cache-Control", "no-store")
        return response
    }

    /// 405 with what would be allowed (RFC 9110, 15.5.6).
    func methodNotAllowed(_ allowed: String) -> Response {
        var response = error(405, "Method not allowed")
        response.add("Allow", allowed)
        return response
    }

    /// 503 with an honest `Retry-After` in whole seconds, rounded up (RFC 9110, 10.2.3).
    func unavailable(_ message: String, retryAfter: Duration, status: Int = 503) -> Response {
        var response = error(status, message)
        response.add(retryAfter: retryAfter)
        return response
    }
}

extension Response {
    /// Whole seconds, rounded up, at least 1.
    mutating func add(retryAfter: Duration) { add("Retry-After", "\(max(1, retryAfter.secondsRoundedUp))") }
}
