import CSystem
import Glibc
import Platform
import Testing

@testable import Spotify

@Suite struct PollTests {
    @Test("an idle poll lasts as long as it was told, to the millisecond's fraction")
    func idle() throws {
        let client = try SpotifyClient(endpoints: .init(), log: .init(label: "test"))
        let start = csys_monotonic_ns()
        client.poll(for: .microseconds(20_300), wake: nil)
        #expect(csys_monotonic_ns() - start >= 20_300_000)
        #expect(csys_monotonic_ns() - start < 200_000_000)
    }

    @Test("the eventfd ends a poll, with and without calls under way, and is read empty", arguments: [false, true])
    func wakes(busy: Bool) throws {
        let caller = try Caller()
        try caller.standIn.fail(#"{"behaviour": "hang"}"#)
        let wake = try EventFD()
        if busy {
            caller.client.begin(gate: { .send(target: Caller.track, bearer: caller.token) }, completion: { _ in })
            for _ in 0..<5 { caller.client.poll(for: .milliseconds(20), wake: wake) }
        }
        for _ in 0..<3 { wake.signal() }
        let start = csys_monotonic_ns()
        caller.client.poll(for: .seconds(3), wake: wake)
        #expect(csys_monotonic_ns() - start < 1_000_000_000)
        #expect(!wake.take())
    }

    @Test("waiting for an answer uses no processor time")
    func sleeps() throws {
        let caller = try Caller(timeout: .seconds(1))
        try caller.standIn.fail(#"{"behaviour": "hang"}"#)
        let before = threadTime()
        #expect(try caller.call() == .failure(.timedOut))
        #expect(threadTime() - before < 100_000_000)
    }

    private func threadTime() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return time.tv_sec * 1_000_000_000 + time.tv_nsec
    }
}
