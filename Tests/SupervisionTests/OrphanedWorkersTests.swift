import Logging
import Testing

@testable import Supervision

@Suite("Workers of a serve that was killed")
struct OrphanedWorkersTests {
    private struct InUse: Error {}

    private final class Attempts {
        var made = 0
    }

    private let orphans = OrphanedWorkers(
        sharing: ["SWINGMUSIC_FCGI_LISTEN"], in: ["SWINGMUSIC_FCGI_LISTEN": "/nobody/listens/here"],
        log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })

    @Test("One that lets go just when it is looked for is not taken for another program")
    func letsGoMeanwhile() throws {
        let attempts = Attempts()
        let won = try orphans.outwait(
            {
                attempts.made += 1
                if attempts.made < 3 { throw InUse() }
                return "the socket"
            }, isTheirFault: { _ in true })
        #expect(won == "the socket")
    }

    @Test("What another program holds is given up soon")
    func another() {
        let attempts = Attempts()
        #expect(throws: InUse.self) {
            try orphans.outwait(
                {
                    attempts.made += 1
                    throw InUse()
                }, isTheirFault: { _ in true })
        }
        #expect((20...60).contains(attempts.made))
    }

    @Test("What they cannot be the cause of is said at once")
    func notTheirs() {
        let attempts = Attempts()
        #expect(throws: InUse.self) {
            try orphans.outwait(
                {
                    attempts.made += 1
                    throw InUse()
                }, isTheirFault: { _ in false })
        }
        #expect(attempts.made == 1)
    }
}
