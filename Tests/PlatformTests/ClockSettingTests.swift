import Testing

@testable import Platform

@Suite struct ClockSettingTests {
    private let morning = ClockReading(bootID: "a", boot: 1000, wall: 5_000_000)

    @Test("a setting is told from the passing of time, from what is too little to be one, and from another boot")
    func changes() {
        let setting = ClockSetting(morning)
        #expect(setting.change(at: ClockReading(bootID: "a", boot: 9000, wall: 5_008_999)) == .none)
        #expect(setting.change(at: ClockReading(bootID: "a", boot: 9000, wall: 5_009_000)) == .set(by: 1000))
        #expect(setting.change(at: ClockReading(bootID: "a", boot: 9000, wall: 0)) == .set(by: -5_008_000))
        #expect(setting.change(at: ClockReading(bootID: "b", boot: 9000, wall: 5_008_000)) == .otherBoot)
        #expect(setting.change(at: ClockReading(bootID: "a", boot: 999, wall: 4_999_999)) == .otherBoot)
    }

    @Test("a setting is settled an hour after it was seen first, at once in a file that holds nothing")
    func settled() {
        func later(_ milliseconds: Int64) -> ClockReading {
            ClockReading(bootID: "a", boot: 1000 + milliseconds, wall: 5_000_000 + milliseconds)
        }
        #expect(!ClockSetting(morning).isSettled(at: later(3_599_999)))
        #expect(ClockSetting(morning).isSettled(at: later(3_600_000)))
        #expect(ClockSetting(morning, isFirst: true).isSettled(at: morning))
    }
}
