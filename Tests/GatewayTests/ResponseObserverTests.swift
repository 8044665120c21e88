import Platform
import Testing

@testable import FastCGI
@testable import Gateway

@Suite struct ResponseObserverTests {
    private let lines = KeptLines()
    private let scoreboard = Scoreboard(path: "/nowhere/figures.shared")
    private let request = Request(testing: [("REQUEST_METHOD", "GET"), ("DOCUMENT_URI", "/spotify/v1/tracks/x"), ("REQUEST_ID", "5f1d")])

    private func begin(_ outcome: Outcome) throws -> (atOnce: Outcome?, kept: [KeptPromises.Item]) {
        let observer = ResponseObserver(scoreboard: scoreboard, log: AccessLog(log: lines.logger, clock: ManualClock()))
        guard case .pending(let soon) = observer.observe(outcome, of: .spotify, request, since: SystemClock().monotonic) else {
            throw NotSoon()
        }
        #expect(scoreboard.sum.answered == 0)
        let kept = KeptPromises()
        let atOnce = soon.outcome(for: Connection(descriptor: -1), kept)
        return (atOnce, kept.take())
    }

    private struct NotSoon: Error {}

    @Test("An answer that came soon is counted and named once, when it is known")
    func kept() throws {
        let (atOnce, kept) = try begin(
            .pending(
                PendingResponse { promise in
                    promise.keep(.now(Response(status: 503)))
                    return nil
                }))
        #expect(atOnce.map { _ in true } == nil)
        #expect(kept.count == 1)
        #expect(scoreboard.sum[.spotify, 5] == 1 && scoreboard.sum.answered == 1)
        #expect(lines.all.count == 1 && lines.all[0].contains("path=/spotify/v1/tracks/x reason=- request=5f1d status=503"))
    }

    @Test("So is one that came at once after all")
    func atOnce() throws {
        let (atOnce, kept) = try begin(.pending(PendingResponse { _ in .now(Response(status: 200)) }))
        #expect(atOnce.map { _ in true } == true)
        #expect(kept.isEmpty)
        #expect(scoreboard.sum[.spotify, 2] == 1 && scoreboard.sum.answered == 1)
        #expect(lines.all.isEmpty)
    }

    @Test("A renewed cookie comes with an answer that came soon")
    func renewal() throws {
        let kept = KeptPromises()
        let outcome = Outcome.pending(
            PendingResponse { promise in
                promise.keep(.now(Response(status: 200)))
                return nil
            })
        guard case .pending(let soon) = outcome.renewing("access_token_cookie=x") else { throw NotSoon() }
        _ = soon.outcome(for: Connection(descriptor: -1), kept)
        guard case .now(let response)? = kept.take().first?.outcome else { throw NotSoon() }
        #expect(response.header("Set-Cookie") == "access_token_cookie=x")
    }
}
