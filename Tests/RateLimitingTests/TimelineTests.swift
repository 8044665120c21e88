import Platform
import Testing

@testable import RateLimiting

@Suite("Timeline: what the clocks say after a while") struct TimelineTests {
    private let hour = BootTime.at(3600)
    private var seen: Timeline { Timeline(bootID: "a", instant: .at(36_000), wall: 1_700_000_000_000) }

    private func shift(_ boot: String, _ instant: BootTime, wall: Int64) -> Duration? {
        seen.shift(to: Moment(bootID: boot, boot: instant, wall: WallTime(milliseconds: wall)))
    }

    @Test("Within one boot the wall clock may say what it likes")
    func sameBoot() {
        for wall: Int64 in [0, 1_600_000_000_000, 1_700_000_000_000, 4_000_000_000_000, .max, .min] {
            #expect(shift("a", .at(39_600), wall: wall) == nil)
        }
    }

    @Test("After a reboot the wall clock says how long it took, a call before it keeping its age")
    func reboot() throws {
        let moved = try #require(shift("b", .at(60), wall: 1_700_000_000_000 + 300_000))
        let call = seen.instant - .seconds(1)  // a second before the file was last written
        #expect(.at(60) - (call + moved) == .seconds(301) - .milliseconds(1))
    }

    @Test("A wall clock that went back during a reboot lets no time pass")
    func clockWentBack() throws {
        for wall: Int64 in [1_699_000_000_000, 0, -5, .min] {
            let moved = try #require(shift("b", hour, wall: wall))
            #expect(seen.instant + moved == hour)
        }
    }

    @Test("A boot clock that ran backwards is taken for another boot's")
    func namespace() throws {
        let moved = try #require(shift("a", hour, wall: 1_700_000_000_000 + 1001))
        #expect(hour - (seen.instant + moved) == .seconds(1))
    }

    @Test("A wall clock far in the future does not overflow")
    func future() throws {
        let moved = try #require(shift("b", hour, wall: .max - 5))
        #expect(seen.instant + moved < hour)
    }
}
