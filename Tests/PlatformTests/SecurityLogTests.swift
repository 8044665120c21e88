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

    @Test("Many guesses, or many tokens of swingmusic's, hide nothing else")
    func hidden() {
        let log = SecurityLog(lines.logger, most: 2, clock: clock)
        for event in [SecurityLog.Event.pairingRefused, .tokenAdopted] { for _ in 0..<5 { log.note(event, from: "192.0.2.7") } }
        log.note(.signedIn, from: "192.0.2.8", user: "bob")
        #expect(lines.lines.last == "notice security: signed in address=192.0.2.8 user=bob")
    }

    @Test("A name is shown as far as a log takes it")
    func long() {
        let name = String(repeating: " ", count: 52_000) + "notice [1] security: sign-in refused address=192.0.2.66"
        SecurityLog(lines.logger, clock: clock).note(.userChanged, from: "192.0.2.7", user: name, by: name)
        #expect(lines.lines.allSatisfy { $0.utf8.count < 300 && !$0.contains("192.0.2.66") })
    }

    @Test("Guesses are the refused")
    func guesses() {
        #expect(SecurityLog.Event.allCases.filter(\.isGuess) == [.signInRefused, .pairingRefused, .tokenRefused, .keyRefused])
    }
}
