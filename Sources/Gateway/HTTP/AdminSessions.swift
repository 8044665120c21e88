import Crypto
import FastCGI
import Foundation
import Platform

/// Who has signed in to the status page with the admin token: browsers that keep a random id in a cookie.
///
/// What is kept is the id's code under the admin token (HMAC-SHA256), so the file gives no way in, and another admin token ends all of them. It
/// stands in memory that all workers map (`admins.shared`), since it is asked on event threads: nothing is waited for. A session ends after
/// twelve hours, by a clock that nobody sets; only after a reboot by the wall clock. When all places are taken the oldest makes way.
final class AdminSessions: Sendable {
    private let memory: SharedMemory
    private let token: Secret?
    private let clock: any HostClock

    static let lifetime = Duration.seconds(12 * 3600)
    static let places = 64
    /// The name of the cookie; `__Host-` before it where the browser came by TLS.
    static let cookie = "swingmusic-fcgi-admin"

    private static let layout: UInt64 = 0x5347_4144_4D4E_0002
    private static let (writeLock, seed, first, placeBytes): (Int64, Int, Int, Int) = (8, 8, 64, 64)
    private enum Field { static let beganAt = 0, code = 8, boot = 40, bootMark = 48 }

    /// - Parameter token: `SWINGMUSIC_FCGI_ADMIN_TOKEN`; nil: nobody signs in so.
    init(path: String, token: Secret?, clock: any HostClock = SystemClock()) {
        (self.token, self.clock) = (token, clock)
        memory = SharedMemory(
            path: path, length: Self.first + Self.places * Self.placeBytes, layout: Self.layout, permissions: 0o600, lockByte: 0
        ) { memory in for place in 0..<4 { memory.store64(.random(in: .min ... .max), at: Self.seed + place * 8) } }
    }

    /// Makes the file anew where it was cut or removed; everybody is signed out then. About once a second. Whether it did.
    func mend() -> Bool { memory.mend() }

    // MARK: Sessions

    /// Begins a session. May wait for another worker that begins one; not for an event thread.
    /// - Returns: its id; nil where it cannot be kept so that all workers know it.
    func begin(_ context: borrowing BlockingContext) -> String? {
        let id = Hexadecimal.text((0..<32).map { _ in UInt8.random(in: .min ... .max) })
        let lock = memory.file?.lock(Self.writeLock)
        guard memory.isShared, let code = code(of: id), lock?.lock(within: .seconds(1)) == true else { return nil }
        defer { lock?.unlock() }
        // The free one, else the oldest.
        let place = (0..<Self.places).min { beganAt($0) < beganAt($1) } ?? 0
        let offset = Self.offset(place)
        memory.store64(0, at: offset + Field.beganAt)
        for (number, word) in code.enumerated() { memory.store64(word, at: offset + Field.code + number * 8) }
        memory.store64(UInt64(bitPattern: clock.boot.nanoseconds), at: offset + Field.boot)
        memory.store64(bootMark, at: offset + Field.bootMark)
        memory.store64(UInt64(max(1, clock.wall.milliseconds)), at: offset + Field.beganAt)
        return id
    }

    /// The id of a session that a request's cookies name; nil where none does.
    func session(of request: Request) -> String? {
        let holds = request.withParameter("HTTP_COOKIE") { !$0.isEmpty } ?? false
        guard holds, token != nil else { return nil }
        return Self.ids(in: request.parameters("HTTP_COOKIE")).first { place(of: $0) != nil }
    }

    /// Ends a session; one that has ended is none.
    func end(_ id: String) {
        if let place = place(of: id) { memory.store64(0, at: Self.offset(place) + Field.beganAt) }
    }

    private func place(of id: String) -> Int? {
        guard let code = code(of: id) else { return nil }
        return (0..<Self.places).first { place in
            let began = beganAt(place)
            let offset = Self.offset(place)
            let isIt = began > 0 && code.enumerated().allSatisfy { memory.load64(at: offset + Field.code + $0 * 8) == $1 }
            // Not another one that has come in its place meanwhile.
            return isIt && isYoung(offset, began) && beganAt(place) == began
        }
    }

    private func isYoung(_ offset: Int, _ began: Int64) -> Bool {
        guard memory.load64(at: offset + Field.bootMark) == bootMark else {
            let age = clock.wall.milliseconds - began
            return age >= -Self.clockTolerance && age < Self.lifetime.wholeMilliseconds
        }
        let age = clock.boot - BootTime(nanoseconds: Int64(bitPattern: memory.load64(at: offset + Field.boot)))
        return age >= .zero && age < Self.lifetime
    }

    /// A clock that was set back must not make a session longer.
    private static let clockTolerance: Int64 = 300_000

    /// Tells this boot from others.
    private var bootMark: UInt64 { code(of: "boot \(clock.bootID)")?[0] ?? 0 }

    private func beganAt(_ place: Int) -> Int64 { Int64(bitPattern: memory.load64(at: Self.offset(place) + Field.beganAt)) }
    private static func offset(_ place: Int) -> Int { first + place * placeBytes }

    private func code(of id: String) -> [UInt64]? {
        token.map { token in
            let bytes = token.code(of: "session \(id)")
            return (0..<4).map { word in bytes[(word * 8)..<(word * 8 + 8)].reduce(0 as UInt64) { $0 << 8 | UInt64($1) } }
        }
    }

    // MARK: Proofs

    /// Proves that a request is of a page that was shown to somebody: a code of who that is, under a seed that nobody sees.
    func proof(for who: String) -> String {
        Hexadecimal.text(HMAC<SHA256>.authenticationCode(for: Array("a page for \(who)".utf8), using: key))
    }

    func isProof(_ text: String, for who: String) -> Bool {
        Secret(proof(for: who)).equals(text)
    }

    private var key: SymmetricKey {
        var bytes: [UInt8] = []
        for place in 0..<4 { withUnsafeBytes(of: memory.load64(at: Self.seed + place * 8)) { bytes += $0 } }
        return SymmetricKey(data: bytes)
    }

    // MARK: Cookies

    /// `Set-Cookie` for a session that has begun, or with an empty id for one that has ended.
    /// - Parameter isSecure: the browser came by TLS. Then no other host of the site can set the cookie, and it stays off plain HTTP.
    static func cookie(_ id: String, isSecure: Bool) -> String {
        let time = id.isEmpty ? 0 : lifetime.wholeSeconds
        let name = isSecure ? "__Host-\(cookie)" : cookie
        return "\(name)=\(id); \(isSecure ? "Path=/; Secure" : "Path=/swingmusic-fcgi/"); Max-Age=\(time); HttpOnly; SameSite=Strict"
    }

    /// Those of either name; a few at most.
    private static func ids(in headers: [String]) -> [String] {
        var ids: [String] = []
        for header in headers {
            for pair in header.split(separator: ";") {
                let parts = pair.drop { $0 == " " }.split(separator: "=", maxSplits: 1).map(String.init)
                guard parts.count == 2, [cookie, "__Host-\(cookie)"].contains(parts[0]), parts[1].utf8.count == 64 else { continue }
                ids.append(parts[1])
            }
        }
        return Array(ids.prefix(4))
    }
}
