import FastCGI
import Foundation
import Platform
import Testing

@testable import Gateway

@Suite struct AdminSessionsTests {
    private let path = NSTemporaryDirectory() + "admins-\(UUID().uuidString)"
    private let clock = ManualClock()

    private func sessions(_ token: String? = "the-admin-token") -> AdminSessions {
        AdminSessions(path: path, token: token.map(Secret.init), clock: clock)
    }

    private func begin(_ sessions: AdminSessions) throws -> String {
        try #require(try WorkerThread.wait(forWorkNamed: "begin") { context in sessions.begin(context) })
    }

    private func request(_ cookies: String...) -> Request { Request(testing: cookies.map { ("HTTP_COOKIE", $0) }) }

    private func isIn(_ id: String, _ sessions: AdminSessions) -> Bool {
        sessions.session(of: request("a=b; \(AdminSessions.cookie)=\(id)")) == id
    }

    @Test("A session is known to every worker for twelve hours, also when the clock is set back")
    func lifetime() throws {
        defer { unlink(path) }
        let id = try begin(sessions())
        #expect(isIn(id, sessions()))
        clock.advance(.seconds(12 * 3600 - 60))
        #expect(isIn(id, sessions()))
        clock.advance(.seconds(120))
        #expect(!isIn(id, sessions()))
        clock.advance(.seconds(-13 * 3600))
        #expect(!isIn(id, sessions()))
    }

    @Test("Setting the clock ends none and makes none longer; after a reboot the wall clock counts")
    func clockSet() throws {
        defer { unlink(path) }
        let id = try begin(sessions())
        let began = clock.wall.milliseconds
        for hours in [-1000, -1, 13, 1000] as [Int64] {
            clock.set(wall: began + hours * 3_600_000)
            #expect(isIn(id, sessions()), "\(hours) h")
        }
        clock.set(wall: began)
        clock.reboot("another", down: .seconds(60))
        #expect(isIn(id, sessions()))
        clock.set(wall: began + 13 * 3_600_000)
        #expect(!isIn(id, sessions()))
        clock.set(wall: began - 3_600_000)
        #expect(!isIn(id, sessions()))
    }

    @Test("Another admin token, or none, ends all of them; a part of an id opens nothing")
    func token() throws {
        defer { unlink(path) }
        let id = try begin(sessions())
        #expect(!isIn(id, sessions("another")) && !isIn(id, sessions(nil)))
        #expect(!isIn(String(id.dropLast()), sessions()) && !isIn(String(repeating: "0", count: 64), sessions()) && !isIn("", sessions()))
        #expect(isIn(id, sessions()))
    }

    @Test("Signing out ends one; where all places are taken the oldest makes way")
    func places() throws {
        defer { unlink(path) }
        let sessions = sessions()
        let first = try begin(sessions)
        clock.advance(.seconds(1))
        let second = try begin(sessions)
        for _ in 2..<AdminSessions.places {
            clock.advance(.seconds(1))
            _ = try begin(sessions)
        }
        #expect(isIn(first, sessions) && isIn(second, sessions))
        clock.advance(.seconds(1))
        let last = try begin(sessions)
        #expect(!isIn(first, sessions) && isIn(second, sessions) && isIn(last, sessions))
        sessions.end(second)
        #expect(!isIn(second, sessions) && isIn(last, sessions))
    }

    @Test("The cookie is found under both of its names, in any header, and where another host of the site has put one before it")
    func cookies() throws {
        defer { unlink(path) }
        let sessions = sessions()
        let (id, wrong) = (try begin(sessions), String(repeating: "f", count: 64))
        let name = AdminSessions.cookie
        #expect(sessions.session(of: request("x=1", "__Host-\(name)=\(id)")) == id)
        #expect(sessions.session(of: request("\(name)=\(wrong); \(name)=\(id)")) == id)
        #expect(sessions.session(of: request("my\(name)=\(id)")) == nil)
        #expect(sessions.session(of: request()) == nil)
    }

    @Test("A proof is good for whom it was made, at every worker")
    func proofs() {
        defer { unlink(path) }
        let proof = sessions().proof(for: "user 1")
        #expect(sessions().isProof(proof, for: "user 1"))
        #expect(!sessions().isProof(proof, for: "user 2") && !sessions().isProof("", for: "user 1"))
    }
}
