/// The last moment the file was written: the boot that its instants count from, and what both clocks said.
///
/// Within one boot the boot-time clock rules, and setting the wall clock changes nothing. After a reboot all
/// instants are moved by one and the same amount, so that the time between two calls of an earlier boot stays
/// exact, and the time since the last write is what the wall clock says. If the wall clock went back
/// meanwhile, no time is taken to have passed: that makes calls look more recent than they are and what is left
/// of a cooldown longer, never the other way round. (A wall clock that is set forward during a reboot cannot be
/// told from a long pause.)
struct Timeline: Equatable {
    var bootID: String
    var instant: Instant
    var wall: Int64

    init(_ moment: Moment) {
        self.init(bootID: moment.bootID, instant: moment.instant, wall: moment.wall)
    }

    init(bootID: String, instant: Instant, wall: Int64) {
        self.bootID = bootID
        self.instant = instant
        self.wall = wall
    }

    /// What must be added to every instant of the file at `moment`; nil when they count from the same boot.
    ///
    /// A boot clock that ran backwards is another boot's, or another time namespace's (time_namespaces(7)).
    func shift(to moment: Moment) -> Int64? {
        guard moment.bootID != bootID || moment.instant < instant else { return nil }
        let tenYears: Int64 = 3653 * 86_400_000
        let (difference, overflow) = moment.wall.subtractingReportingOverflow(wall)
        // Both readings were cut to milliseconds: one is taken off, lest a part of one be counted twice.
        let elapsed = overflow ? 0 : min(max(difference - 1, 0), tenYears)
        return moment.instant - elapsed * 1_000_000 - instant
    }
}
