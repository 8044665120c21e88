import FastCGI
import Glibc
import Platform
import Spotify

/// The paths of a family's routes, put together once at the start, so that a request's path is found byte by byte.
final class PathTree: Sendable {
    /// How a family reads its paths.
    enum Form: Sendable {
        /// To the letter: a slash at the end makes another path.
        case exact
        /// Empty parts and a slash at the end leave nothing behind.
        case parts
        /// As `parts`, and a link that was pasted where an id belongs is one part, with its slashes.
        case links
        /// Nothing is left out, and the last parameter takes the rest of the path as its client sent it, not as nginx has made it.
        case asSent
    }

    /// Those of this very path, in the order in which they were declared.
    let routes: [Route]
    /// Their methods, for `Allow`.
    let allowed: String
    /// Who may read what they answer; as for all of the family when nil.
    let readers: CrossOrigin.Readers?
    /// Those of all paths from here.
    let all: [Route]
    private let form: Form
    /// The words that may follow.
    private let words: [(bytes: [UInt8], next: PathTree)]
    /// What follows where none of them does.
    private let parameter: PathTree?
    /// The only values that the parameter which led here has; all when nil.
    private let values: Set<String>?

    /// - Parameter routes: of one family.
    convenience init(_ routes: [Route], _ form: Form) {
        self.init(routes.map { ($0.template.split(separator: "/")[...], $0) }, form, values: nil)
    }

    private init(_ below: [(parts: ArraySlice<Substring>, route: Route)], _ form: Form, values: Set<String>?) {
        self.form = form
        self.values = values
        all = below.map(\.route)
        routes = below.filter(\.parts.isEmpty).map(\.route)
        readers = routes.first?.readers
        allowed = routes.map(\.allowed).joined(separator: ", ")
        var words: [(Substring, [(ArraySlice<Substring>, Route)])] = []
        var others: [(ArraySlice<Substring>, Route)] = []
        for (parts, route) in below {
            guard let part = parts.first else { continue }
            if part.hasPrefix("{") {
                others.append((parts.dropFirst(), route))
            } else if let place = words.firstIndex(where: { $0.0 == part }) {
                words[place].1.append((parts.dropFirst(), route))
            } else {
                words.append((part, [(parts.dropFirst(), route)]))
            }
        }
        self.words = words.map { (Array($0.0.utf8), PathTree($0.1, form, values: nil)) }
        parameter = others.isEmpty ? nil : PathTree(others, form, values: Self.values(others))
    }

    /// What a parameter is declared to be one of.
    private static func values(_ others: [(parts: ArraySlice<Substring>, route: Route)]) -> Set<String>? {
        guard let (parts, route) = others.first else { return nil }
        let part = route.template.split(separator: "/").dropLast(parts.count).last ?? ""
        return route.parameters.first { "{\($0.name)}" == part }?.words.map(Set.init)
    }

    /// The route of that method.
    func route(_ method: FastCGI.Method) -> Route? {
        for route in routes where route.takes(method) { return route }
        return nil
    }

    /// As `find(_:from:_:)`, for a path that no request has.
    func find(_ path: some StringProtocol) -> PathMatch {
        var path = String(path)
        return path.withUTF8 { find($0, from: 0, nil) }
    }

    /// Follows a path from `start`.
    /// - Parameter raw: asked for by `.asSent` paths alone.
    func find(_ path: UnsafeBufferPointer<UInt8>, from start: Int, _ raw: @autoclosure () -> RawPath?) -> PathMatch {
        var match = PathMatch()
        var at = start
        var tree = self
        while true {
            if form == .parts || form == .links { while at < path.count, path[at] == Self.slash { at += 1 } }
            guard at < path.count || form == .asSent else { break }
            var end = Self.end(path, at)
            guard end > at || form == .asSent else { return PathMatch() }
            if let next = tree.word(path, at, end) {
                tree = next
            } else if let next = tree.parameter {
                if form == .links { end = Self.endOfLink(path, at, end) ?? end }
                match.values.add(String(decoding: path[at..<end], as: UTF8.self))
                tree = next
            } else {
                return PathMatch()
            }
            at = end
            if form == .asSent, tree.parameter != nil || tree.routes.isEmpty { return tree.rest(path, at, raw(), match) }
            guard at < path.count else { break }
            at += 1
            // A slash at the end: of another path.
            if form == .exact, at == path.count { return PathMatch() }
        }
        if !tree.routes.isEmpty { match.paths = tree }
        return match
    }

    /// A path cut at its slashes as `.links` paths are cut.
    static func parts(of path: Substring) -> [String] {
        var path = path
        return path.withUTF8 { bytes in
            var parts: [String] = []
            var at = 0
            while at < bytes.count {
                var end = Self.end(bytes, at)
                if parts.count == 1, end > at { end = endOfLink(bytes, at, end) ?? end }
                if end > at { parts.append(String(decoding: bytes[at..<end], as: UTF8.self)) }
                at = end + 1
            }
            return parts
        }
    }

    private static let slash = UInt8(ascii: "/")

    private static func end(_ path: UnsafeBufferPointer<UInt8>, _ start: Int) -> Int {
        var end = start
        while end < path.count, path[end] != slash { end += 1 }
        return end
    }

    private func word(_ path: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int) -> PathTree? {
        guard let base = path.baseAddress else { return nil }
        for (bytes, next) in words where bytes.count == end - start {
            if memcmp(base + start, bytes, bytes.count) == 0 { return next }
        }
        return nil
    }

    /// Where a link ends that begins with that part; nil where none does.
    private static func endOfLink(_ path: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int) -> Int? {
        // An id has neither a dot nor a colon at its end: nearly all parts that others follow are seen to be no link here.
        guard end < path.count, path[start..<end].contains(where: { $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: ":") }) else {
            return nil
        }
        var parts: [String] = []
        var ends: [Int] = []
        var at = start
        while at < path.count {
            let end = Self.end(path, at)
            if end > at {
                parts.append(String(decoding: path[at..<end], as: UTF8.self))
                ends.append(end)
            }
            at = end + 1
        }
        guard parts.count > 1, let length = SpotifyID.linkLength(parts[...]), length > 0 else { return nil }
        return ends[length - 1]
    }

    /// The rest of a path as its client sent it; without any it is the path of this tree.
    private func rest(_ path: UnsafeBufferPointer<UInt8>, _ at: Int, _ raw: RawPath?, _ found: PathMatch) -> PathMatch {
        var match = found
        let hasSlash = at < path.count
        let prefix = path[..<(hasSlash ? at + 1 : at)]
        do throws(BadRequest) {
            match.values.rest = try raw?.rest(after: prefix) ?? Array(path[prefix.endIndex...])
            if !hasSlash, !match.values.rest.isEmpty { throw BadRequest.changedPath }
        } catch {
            match.fault = error
        }
        guard values?.contains(match.values[0] ?? "") != false else { return match }
        match.paths = match.values.rest.isEmpty ? self : parameter
        return match
    }
}

/// What was found for a path.
struct PathMatch {
    /// The routes that have it; nil: none has.
    var paths: PathTree?
    var values = PathValues()
    /// The path is none that may be answered, whatever it names.
    var fault: BadRequest?
}
