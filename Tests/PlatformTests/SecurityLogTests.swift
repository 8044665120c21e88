import Logging
import Testing

@testable import Platform

@Suite("The security log")
struct SecurityLogTests {
    private let lines = LogLines()
    private let clock = ManualClock()

    @Test("A line says what it is, from where, of whom and by whom")
    func line() {
        SecurityLog(lines.logger, clock: clock).note(.sessionEnded, from: "192.0.2.7", user: "bob", by: "admin")
        #expect(lines.lines == ["notice security: session ended address=192.0.2.7 by=admin user=bob"])
    }

    @Test("What has no request has no address")
    func noAddress() {
        SecurityLog(lines.logger, clock: clock).note(.accountChanged, from: "", user: "bob")
        #expect(lines.lines == ["notice security: account changed, sessions ended address=- user=bob"])
    }

    @Test("Of a flood it names some and says how many it left out")
    func flood() {
        let log = SecurityLog(lines.logger, most: 2, clock: clock)
        for _ in 0..<5 { log.note(.signInRefused, from: "192.0.2.7") }
        clock.advance(.seconds(1))
        log.note(.signInRefused, from: "192.0.2.8")
        #expect(lines.lines.count == 3)
        #expect(lines.lines.last == "notice security: sign-in refused address=192.0.2.8 omitted=3")
    }

    @Test("Guesses are the refused")
    func guesses() {
        #expect(SecurityLog.Event.allCases.filter(\.isGuess) == [.signInRefused, .pairingRefused, .tokenRefused, .keyRefused])
    }
}
