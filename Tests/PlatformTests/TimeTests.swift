import Foundation
import Testing

@testable import Platform

@Suite("Lengths of time") struct DurationTests {
    @Test("whole units are cut towards zero")
    func whole() {
        let length = Duration.seconds(3) + .nanoseconds(999_999_999)
        #expect(length.wholeSeconds == 3 && length.wholeMilliseconds == 3999 && length.wholeNanoseconds == 3_999_999_999)
        let back = Duration.zero - length
        #expect(back.wholeSeconds == -3 && back.wholeMilliseconds == -3999 && back.wholeNanoseconds == -3_999_999_999)
        #expect(Duration.milliseconds(1500).fractionalSeconds == 1.5)
    }

    @Test("what somebody is told to wait is rounded up")
    func up() {
        #expect(Duration.seconds(2).secondsRoundedUp == 2 && Duration.milliseconds(2001).secondsRoundedUp == 3)
        #expect(Duration.zero.secondsRoundedUp == 0 && Duration.milliseconds(-500).secondsRoundedUp == 0)
        #expect(Duration.microseconds(1).pollMilliseconds == 1 && Duration.milliseconds(7).pollMilliseconds == 7)
        #expect(Duration.seconds(-5).pollMilliseconds == 0 && Duration.seconds(1 << 40).pollMilliseconds == 86_400_000)
    }

    @Test("lengths beyond all bounds are cut to what can be added")
    func bounds() {
        for seconds in [Int64.max, 1 << 45, 1 << 40] {
            let long = Duration.seconds(seconds)
            #expect(long.wholeNanoseconds >= Int64.max / 4 && long.wholeNanoseconds <= Int64.max / 4 + 1_000_000_000)
            #expect(long.wholeMilliseconds == 1 << 50)
            #expect((Duration.zero - long).wholeNanoseconds <= -(Int64.max / 4) && (Duration.zero - long).wholeMilliseconds == -(1 << 50))
        }
    }

    @Test("a setting is a number and a unit, and nothing else")
    func setting() {
        #expect(Duration(setting: "250ms") == .milliseconds(250) && Duration(setting: "2s") == .seconds(2))
        #expect(
            Duration(setting: "3m") == .seconds(180) && Duration(setting: "12h") == .seconds(43_200)
                && Duration(setting: "1d") == .seconds(86_400))
        for text in ["", "5", "s", "-1s", "1.5s", "1 s", "1S", "1w", "9999999999999s", "٣s"] { #expect(Duration(setting: text) == nil) }
    }
}

@Suite("Instants") struct InstantTests {
    @Test("what is added can be taken away, and the difference says it")
    func arithmetic() {
        let wall = WallTime(milliseconds: 1000)
        #expect(wall + .seconds(2) == WallTime(milliseconds: 3000) && wall - .milliseconds(1500) == WallTime(milliseconds: -500))
        #expect((wall + .seconds(2)) - wall == .seconds(2) && wall - (wall + .seconds(2)) == .seconds(-2))
        let monotonic = MonotonicTime(nanoseconds: 5_000_000_000)
        #expect(monotonic + .seconds(1) - .seconds(1) == monotonic && monotonic + .seconds(-1) < monotonic)
        #expect(
            monotonic - (monotonic + .milliseconds(3)) == .milliseconds(-3)
                && (monotonic + .milliseconds(3)) - monotonic == .milliseconds(3))
        let boot = BootTime(nanoseconds: 10)
        #expect(boot - .nanoseconds(30) == BootTime(nanoseconds: -20) && boot - (boot - .seconds(1)) == .seconds(1))
        #expect(boot < .never && monotonic < .never && wall < .never)
    }

    @Test("nothing overflows: an instant stays at its bound")
    func bounds() {
        let long = Duration.seconds(Int64.max)
        #expect(WallTime.never + long == .never && WallTime(milliseconds: .min) - long == WallTime(milliseconds: .min))
        #expect(WallTime.never - WallTime(milliseconds: .min) == .milliseconds(Int64.max))
        #expect(MonotonicTime.never + long == .never && MonotonicTime(nanoseconds: 1) - long == MonotonicTime(nanoseconds: 0))
        #expect(MonotonicTime.never - MonotonicTime(nanoseconds: 0) == .nanoseconds(Int64.max))
        #expect(BootTime(nanoseconds: .max) + long == BootTime(nanoseconds: .max) && BootTime(nanoseconds: .min) - long < .never)
        #expect(BootTime.never + long + long > .never)
    }

    @Test("a wall time is shown as Foundation shows it")
    func text() {
        for milliseconds: Int64 in [
            0, 999, 1000, 951_782_400_000, 1_795_376_180_123, 4_102_444_799_999, 253_402_300_799_000, -1, -86_400_001,
        ] {
            let date = Date(timeIntervalSince1970: (Double(milliseconds) / 1000).rounded(.down))
            #expect(WallTime(milliseconds: milliseconds).text == date.formatted(.iso8601))
        }
        #expect(WallTime(milliseconds: -1).seconds == -1 && WallTime(milliseconds: 1999).seconds == 1)
        #expect(!WallTime.never.text.isEmpty)
    }
}

@Suite("Clocks") struct ClockTests {
    @Test("the host's clocks go on, and its boot has a name")
    func system() throws {
        let clock = SystemClock()
        let (monotonic, boot) = (clock.monotonic, clock.boot)
        #expect(clock.monotonic >= monotonic && clock.boot >= boot && boot.nanoseconds > 0)
        #expect(abs(Double(clock.wall.milliseconds) / 1000 - Date().timeIntervalSince1970) < 5)
        #expect(clock.bootID == SystemClock().bootID && clock.bootID.utf8.allSatisfy { $0 > 0x20 } && !clock.bootID.isEmpty)
    }

    @Test("a clock that is turned by hand stands still until then")
    func manual() {
        let clock = ManualClock(wall: 5000, uptime: .seconds(9))
        let before = clock.monotonic
        #expect(
            clock.wall == WallTime(milliseconds: 5000) && clock.boot == BootTime(nanoseconds: 9_000_000_000) && clock.monotonic == before)
        clock.advance(.milliseconds(1500))
        #expect(clock.wall == WallTime(milliseconds: 6500) && clock.boot - BootTime(nanoseconds: 0) == .milliseconds(10_500))
        #expect(clock.monotonic - before == .milliseconds(1500))
        clock.set(wall: 1)
        #expect(clock.wall == WallTime(milliseconds: 1) && clock.monotonic - before == .milliseconds(1500))
    }

    @Test("a reboot begins the boot's clock anew, and the wall clock has gone on")
    func reboot() {
        let clock = ManualClock(wall: 0)
        let id = clock.bootID
        clock.reboot("boot 2", down: .seconds(60), uptime: .seconds(7))
        #expect(clock.wall == WallTime(milliseconds: 67_000) && clock.boot == BootTime(nanoseconds: 7_000_000_000))
        #expect(clock.bootID == "boot 2" && id != "boot 2" && clock.monotonic == MonotonicTime(nanoseconds: 7_000_000_000))
    }
}
