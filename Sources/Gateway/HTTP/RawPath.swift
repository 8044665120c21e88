import FastCGI

/// A request's path as its client sent it (nginx's `$request_uri`), for routes that take a text of the user's from it.
///
/// nginx has decoded the path by which routes are found, and has taken `//`, `.` and `..` out of it, those of `%2F` and `%2E` too: two
/// texts may have become one there, or a text another route.
struct RawPath {
    /// Up to the query.
    private let bytes: [UInt8]

    /// nil where nginx does not hand it on: its include file `pass.conf` is older than this program.
    init?(_ request: Request) {
        let bytes = request.withParameter("REQUEST_URI") { uri in Array(uri.prefix { $0 != UInt8(ascii: "?") }) }
        guard let bytes, !bytes.isEmpty else { return nil }
        self.bytes = bytes
    }

    /// What follows `prefix`, decoded once; empty where the path is the prefix alone.
    /// - Parameter prefix: of the path by which the route was found.
    /// - Throws: 400 where the path begins otherwise, byte for byte, or holds what is no path (RFC 3986, section 3.3).
    func rest(after prefix: some Collection<UInt8>) throws(BadRequest) -> [UInt8] {
        guard bytes.starts(with: prefix) else {
            throw BadRequest(400, "The path has escapes, dots or slashes that change what it names")
        }
        let rest = bytes.dropFirst(prefix.count)
        // For nginx the path ends before a number sign; no client sends one.
        guard !rest.contains(UInt8(ascii: "#")), let decoded = PercentEncoding.decode(rest) else {
            throw BadRequest(400, "The path is malformed")
        }
        return decoded
    }

    /// Whether the path by which the route was found is this one, decoded, and nothing else was done to it.
    func isAs(compared request: Request) -> Bool {
        guard let decoded = PercentEncoding.decode(bytes) else { return false }
        return request.withPath { $0.elementsEqual(decoded) } ?? false
    }
}
