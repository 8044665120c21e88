import Foundation
import Platform
import Spotify
import Testing

@testable import FastCGI
@testable import Gateway

@Suite struct TimingsTests {
    private let path = FileManager.default.temporaryDirectory.appendingPathComponent("figures-\(UUID().uuidString)").path

    @Test("A request counts under the first bound that it does not exceed, and its time is added up")
    func bounds() {
        let page = Scoreboard(path: "/nowhere/figures.shared")
        for nanoseconds: UInt64 in [1, 100_000, 100_001, 20_000_000, 30_000_000_000] {
            page.timings.add(request: nanoseconds, of: .catalog, .fetched)
        }
        let found = page.timingSums.requests(.catalog, .fetched)
        #expect(found.counts.map(\.count) == [2, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 5])
        #expect(found.counts.map(\.bound) == [0.0001, 0.001, 0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 25, nil])
        #expect(abs(found.seconds - 30.020200002) < 1e-9 && found.count == 5)
    }

    @Test("Every histogram has a place of its own, and all of them a slot's")
    func places() {
        let page = Scoreboard(path: "/nowhere/figures.shared")
        var counted = 0
        for family in Counter.Family.allCases {
            for outcome in RequestOutcome.allCases.prefix(family.outcomes) {
                counted += 1
                for _ in 0..<counted { page.timings.add(request: 1_000_000_000, of: family, outcome) }
            }
        }
        for kind in CallResult.Kind.allCases { for _ in 0...kind.rawValue { page.timings.add(call: kind, .milliseconds(300)) } }
        for hasLeft in [false, true] { page.timings.add(wait: hasLeft ? 3_000_000_000 : 100_000_000_000, hasLeft: hasLeft) }
        for way in SignIn.Way.allCases { for result in SignIn.Ending.allCases { page.timings.add(signIn: way, result) } }
        page.timings.noteSuccess(WallTime(milliseconds: 1_800_000_000_000))
        let sums = page.timingSums
        var number = 0
        for family in Counter.Family.allCases {
            for outcome in RequestOutcome.allCases.prefix(family.outcomes) {
                number += 1
                #expect(sums.requests(family, outcome).count == UInt64(number) && sums.requests(family, outcome).seconds == Double(number))
            }
        }
        for kind in CallResult.Kind.allCases { #expect(sums.calls(kind).counts[2].count == UInt64(kind.rawValue + 1)) }
        #expect(sums.waits(haveLeft: true).seconds == 3 && sums.waits(haveLeft: false).counts[6].count == 0)
        for way in SignIn.Way.allCases { for result in SignIn.Ending.allCases { #expect(sums.signIns(way, result) == 1) } }
        #expect(sums.lastSuccess == 1_800_000_000_000)
    }

    @Test("The sum is over all workers, also of those that ended; the last success is the latest")
    func sums() {
        var first: Scoreboard? = Scoreboard(path: path)
        let second = Scoreboard(path: path)
        first?.timings.add(request: 5, of: .spotify, .hit)
        second.timings.add(request: 7, of: .spotify, .hit)
        first?.timings.noteSuccess(WallTime(milliseconds: 9))
        second.timings.noteSuccess(WallTime(milliseconds: 8))
        first = nil
        #expect(second.workers.map(\.slot) == [1])
        #expect(Scoreboard(reading: path).timingSums.requests(.spotify, .hit).count == 2)
        #expect(second.timingSums.lastSuccess == 9)
        unlink(path)
    }

    @Test(
        "An outcome is told by where an answer came from, else by its status",
        arguments: [
            (Counter.Source.memory, 404, RequestOutcome.hit), (.sqlite, 200, .hit), (.stored, 200, .fetched), (.collapsed, 404, .fetched),
            (.unanswered, 429, .unanswered), (.unanswered, 202, .unanswered), (nil, 304, .ok), (nil, 404, .refused), (nil, 503, .failed),
        ] as [(Counter.Source?, Int, RequestOutcome)])
    func outcomes(_ source: Counter.Source?, _ status: Int, _ outcome: RequestOutcome) {
        #expect(RequestOutcome(source, status: status) == outcome)
    }

    @Test("A parked request counts with the whole time since it came, and who left counts as a wait alone")
    func parked() throws {
        let page = Scoreboard(path: "/nowhere/figures.shared")
        let began = MonotonicTime(nanoseconds: SystemClock().monotonic.nanoseconds - 3_000_000_000)
        for hasLeft in [false, true] {
            let parked = ParkedRequest(deadline: .never, parked: { _ in }, ended: { _ in Response(status: 503) })
            guard case .parked(let observed) = page.count(.parked(parked), of: .spotify, since: began) else { return #expect(Bool(false)) }
            if hasLeft { _ = observed.end(.clientLeft) } else { _ = observed.finished(Response(status: 200)) }
        }
        let sums = page.timingSums
        #expect(sums.requests(.spotify, .ok).count == 1 && (3..<4).contains(sums.requests(.spotify, .ok).seconds))
        #expect(sums.waits(haveLeft: false).count == 1 && sums.waits(haveLeft: true).count == 1)
        #expect(page.sum.answered == 1)
    }
}
