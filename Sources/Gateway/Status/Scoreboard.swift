import Caching
import CSystem
import FastCGI
import Glibc
import Logging

/// Counters that all workers map (`scoreboard.shared` in the data folder), so that any of them can tell the sum.
///
/// Each worker counts into a slot of its own, by atomic additions and without a lock or a system call. A slot is held by a lock on
/// one byte of the file, which goes with the process; whoever takes the slot of a dead worker counts on where that one ended. So
/// the sum of all slots is what was counted since the file was made, whichever workers were killed, and nothing is ever moved.
/// A file that cannot be mapped costs the sums: the worker then counts for itself.
final class Scoreboard: @unchecked Sendable {
    // The mapping lives as long as this object and is touched with atomic operations only (the log's bytes: see LogRing).
    let start: UnsafeMutableRawPointer
    private let descriptor: CInt
    /// nil for who only reads.
    private let own: UnsafeMutableRawPointer?

    static let slotCount = 512
    private static let slotBytes = 512
    private static let magic: UInt64 = 0x5347_4649_4755_0001
    private static let length = Offset.slots + slotCount * slotBytes
    private static let firstSlotLock: Int64 = 16

    enum Offset { static let magic = 0, logSequence = 8, rawPathMissedAt = 16, minutes = 64, log = 4096, slots = log + LogRing.bytes }
    private enum Field { static let process = 0, startedAt = 8, parked = 16, counters = 64 }

    /// Takes a slot. Never fails: see above.
    init(path: String, now: Int64 = csys_wall_ms()) {
        let opened = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o640)
        let mapped = opened >= 0 ? Self.map(opened) : nil
        let slot: Int
        if let mapped, let claimed = Self.claim(opened) {
            (descriptor, start, slot) = (opened, mapped, claimed)
        } else {
            if let mapped { munmap(mapped, Self.length) }
            if opened >= 0 { Glibc.close(opened) }
            (descriptor, start, slot) = (-1, Self.privatePage(), 0)
        }
        let own = Self.address(slot, in: start)
        self.own = own
        csys_store64(own + Field.parked, 0)
        csys_store64(own + Field.startedAt, UInt64(bitPattern: now))
        csys_store64(own + Field.process, UInt64(getpid()))
        begin(now: now)
    }

    /// Reads what the workers count, without a slot and without making the file. Where there is none, nothing was counted.
    init(reading path: String) {
        let opened = Glibc.open(path, O_RDWR | O_CLOEXEC)
        if opened >= 0, let mapped = Self.mapMade(opened) {
            (descriptor, start) = (opened, mapped)
        } else {
            if opened >= 0 { Glibc.close(opened) }
            (descriptor, start) = (-1, Self.privatePage())
        }
        own = nil
    }

    deinit {
        if descriptor >= 0 {
            munmap(start, Self.length)
            Glibc.close(descriptor)
        } else {
            start.deallocate()
        }
    }

    private func address(_ slot: Int) -> UnsafeMutableRawPointer { Self.address(slot, in: start) }
    private static func address(_ slot: Int, in start: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer {
        start + Offset.slots + slot * slotBytes
    }

    // MARK: Counting

    func add(_ place: Int) { change(Field.counters + place * 8, by: 1) }

    /// Counts a turn that took so many nanoseconds to take.
    func add(turn nanoseconds: UInt64) {
        let microseconds = nanoseconds / 1000
        add(Counter.turns + (Counter.turnBounds.firstIndex { microseconds <= $0 } ?? Counter.turnBounds.count))
        change(Field.counters + Counter.turnMicroseconds * 8, by: microseconds)
    }
    func park() { change(Field.parked, by: 1) }
    func unpark() { change(Field.parked, by: .max) }

    private func change(_ field: Int, by amount: UInt64) {
        if let own { _ = csys_add64(own + field, amount) }
    }

    /// When, in wall-clock milliseconds, the latest request that needs the raw path came without it; 0 when it had it, or none came.
    var rawPathMissedAt: Int64 {
        get { Int64(bitPattern: csys_load64(start + Offset.rawPathMissedAt)) }
        set { csys_store64(start + Offset.rawPathMissedAt, UInt64(bitPattern: newValue)) }
    }

    // MARK: Reading

    /// Of all workers since the file was made.
    var sum: Counters {
        var sum = Counters()
        // The lowest free slot is taken, so the first that never was ends them.
        for slot in 0..<(descriptor >= 0 ? Self.slotCount : 1) {
            guard csys_load64(address(slot) + Field.process) != 0 else { break }
            sum += counts(slot)
        }
        return sum
    }

    /// A worker that lives.
    struct Worker: Sendable, Equatable {
        var process: Int32
        /// Wall-clock milliseconds.
        var startedAt: Int64
        var parked: Int
    }

    var workers: [Worker] {
        (0..<(descriptor >= 0 ? Self.slotCount : 1)).filter(isHeld).map { slot in
            Worker(
                process: Int32(truncatingIfNeeded: csys_load64(address(slot) + Field.process)),
                startedAt: Int64(bitPattern: csys_load64(address(slot) + Field.startedAt)),
                parked: max(0, Int(Int64(bitPattern: csys_load64(address(slot) + Field.parked)))))
        }
    }

    private func counts(_ slot: Int) -> Counters {
        var counts = Counters()
        for place in counts.values.indices { counts.values[place] = csys_load64(address(slot) + Field.counters + place * 8) }
        return counts
    }

    private func isHeld(_ slot: Int) -> Bool {
        if address(slot) == own { return true }
        guard csys_load64(address(slot) + Field.process) != 0 else { return false }
        let byte = Self.firstSlotLock + Int64(slot)
        guard csys_lock_byte(descriptor, byte, 1) == 0 else { return true }
        _ = csys_lock_byte(descriptor, byte, 0)
        return false
    }

    // MARK: Making

    private static func map(_ descriptor: CInt) -> UnsafeMutableRawPointer? {
        var isLocked = false
        for _ in 0..<1000 where !isLocked {
            isLocked = csys_lock_byte(descriptor, 0, 1) == 0
            if !isLocked { usleep(1000) }
        }
        guard isLocked else { return nil }
        defer { _ = csys_lock_byte(descriptor, 0, 0) }
        // Blocks are set aside first: a hole in a mapping on a full disk ends the process with SIGBUS.
        guard posix_fallocate(descriptor, 0, off_t(length)) == 0, let start = csys_map_shared(descriptor, UInt64(length)) else {
            return nil
        }
        if csys_load64(start) != magic {
            memset(start, 0, length)
            csys_store64(start, magic)
        }
        return start
    }

    /// Only a file that a worker has made.
    private static func mapMade(_ descriptor: CInt) -> UnsafeMutableRawPointer? {
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_size >= off_t(length) else { return nil }
        guard let start = csys_map_shared(descriptor, UInt64(length)) else { return nil }
        guard csys_load64(start) == magic else {
            munmap(start, length)
            return nil
        }
        return start
    }

    /// The first slot that no process holds; its lock is kept until the descriptor goes.
    private static func claim(_ descriptor: CInt) -> Int? {
        (0..<slotCount).first { csys_lock_byte(descriptor, firstSlotLock + Int64($0), 1) == 0 }
    }

    private static func privatePage() -> UnsafeMutableRawPointer {
        let start = UnsafeMutableRawPointer.allocate(byteCount: length, alignment: 64)
        memset(start, 0, length)
        return start
    }

    // Counts answers at the moment they are handed to the event loop. A worker that is killed between that and the socket has counted
    // an answer that its caller did not get: at most one for each of its threads. (Counting after the write would lose as many.)

    func count(_ outcome: Outcome, of family: Counter.Family) -> Outcome {
        switch outcome {
        case .now(let response):
            count(response, of: family)
            return outcome
        case .pending: return outcome
        case .parked(let parkedRequest):
            park()
            return .parked(
                parkedRequest.observed { [self] response in
                    unpark()
                    if let response { count(response, of: family) }
                })
        }
    }

    private func count(_ response: Response, of family: Counter.Family) {
        add(Counter.place(family, status: response.status))
        guard let (source, isStale) = CacheStatus.counted(response.note) else { return }
        add(Counter.place(source))
        if isStale { add(Counter.stale) }
    }

    // The sum of answers at the last look in each of the latest minutes: what the picture of the last hour is drawn from. Any worker
    // writes it once a second; minute and sum stand in one word, so that no reader sees the half of it.

    private static let minutes = 64
    private static let sumBits: UInt64 = 38

    /// Gives the first minute of a run something to be compared with.
    func begin(now: Int64) {
        let before = max(0, now) - 60_000
        let word = csys_load64(start + Offset.minutes + Int(max(0, before) / 60_000) % Self.minutes * 8)
        if word >> Self.sumBits != UInt64(max(0, before) / 60_000) { sample(now: before) }
    }

    /// Notes the sum under the minute that `now` (wall-clock milliseconds) is in.
    func sample(now: Int64 = csys_wall_ms()) {
        let minute = UInt64(max(0, now) / 60_000)
        let word = minute << Self.sumBits | sum.answered & (1 << Self.sumBits - 1)
        csys_store64(start + Offset.minutes + Int(minute) % Self.minutes * 8, word)
    }

    /// Answers in each of the last 60 minutes, oldest first; the last is the one under way.
    func answersByMinute(now: Int64 = csys_wall_ms()) -> [Int] {
        let current = UInt64(max(0, now) / 60_000)
        var sums: [UInt64: UInt64] = [:]
        for place in 0..<Self.minutes {
            let word = csys_load64(start + Offset.minutes + place * 8)
            sums[word >> Self.sumBits] = word & (1 << Self.sumBits - 1)
        }
        sums[current] = sum.answered
        var before: UInt64?
        return ((current &- UInt64(Self.minutes) + 1)...current).map { minute -> Int in
            // A minute without a running program has no sum: nothing was answered.
            guard let here = sums[minute] else { return 0 }
            defer { before = here }
            guard let before, here >= before else { return 0 }
            return Int(here - before)
        }.suffix(60)
    }

    // MARK: Log lines

    func note(_ line: LoggedLine, isError: Bool) {
        add(isError ? Counter.errors : Counter.warnings)
        let number = csys_add64(start + Offset.logSequence, 1)
        let entry = self.entry(number)
        csys_store64(entry + LogRing.Field.number, 0)
        csys_store64(entry + LogRing.Field.time, UInt64(bitPattern: line.time))
        csys_store64(entry + LogRing.Field.process, UInt64(line.process))
        csys_store64(entry + LogRing.Field.level, isError ? 1 : 0)
        let text = Array(line.text.utf8.prefix(LogRing.longestText))
        text.withUnsafeBytes { if let base = $0.baseAddress { memcpy(entry + LogRing.Field.text, base, $0.count) } }
        csys_store64(entry + LogRing.Field.length, UInt64(text.count))
        csys_store64(entry + LogRing.Field.number, number)
    }

    /// The newest first.
    func latestLines(_ limit: Int) -> [LoggedLine] {
        let newest = csys_load64(start + Offset.logSequence)
        let oldest = newest > UInt64(LogRing.entries) ? newest - UInt64(LogRing.entries) + 1 : 1
        guard newest >= oldest else { return [] }
        return Array((oldest...newest).reversed().lazy.compactMap(line).prefix(limit))
    }

    private func entry(_ number: UInt64) -> UnsafeMutableRawPointer {
        start + Offset.log + Int(number % UInt64(LogRing.entries)) * LogRing.entryBytes
    }

    private func line(_ number: UInt64) -> LoggedLine? {
        let entry = entry(number)
        guard csys_load64(entry + LogRing.Field.number) == number else { return nil }
        let length = min(Int(csys_load64(entry + LogRing.Field.length)), LogRing.longestText)
        let line = LoggedLine(
            time: Int64(bitPattern: csys_load64(entry + LogRing.Field.time)),
            process: Int32(truncatingIfNeeded: csys_load64(entry + LogRing.Field.process)),
            level: csys_load64(entry + LogRing.Field.level) == 1 ? "error" : "warning",
            text: String(decoding: UnsafeRawBufferPointer(start: entry + LogRing.Field.text, count: length), as: UTF8.self))
        return csys_load64(entry + LogRing.Field.number) == number ? line : nil
    }
}

/// A line of the log as the status page shows it.
struct LoggedLine: Sendable, Equatable {
    /// Wall-clock milliseconds.
    var time: Int64
    var process: Int32
    var level: String
    var text: String
}

/// Where the latest log lines at warning and above, of all workers, stand in `scoreboard.shared`.
///
/// An entry's number is taken away before its bytes are written and put back after; a reader that finds another number after than
/// before throws the entry away, and so does it with one whose writer was killed.
enum LogRing {
    static let entries = 64
    static let entryBytes = 512
    static let bytes = entries * entryBytes
    enum Field { static let number = 0, time = 8, process = 16, level = 24, length = 32, text = 40 }
    static let longestText = entryBytes - Field.text
}

/// Whether nginx's include files are as old as this program, by what comes through them.
struct IncludeWatch: Sendable {
    let scoreboard: Scoreboard
    let log: Logger

    /// Called for each request below `/cache`: they need the raw path.
    func saw(rawPath isThere: Bool) {
        let since = scoreboard.rawPathMissedAt
        if isThere {
            if since != 0 { scoreboard.rawPathMissedAt = 0 }
            return
        }
        scoreboard.rawPathMissedAt = csys_wall_ms()
        if since == 0 { log.warning("a request below /cache came without REQUEST_URI: nginx's swingmusic-fcgi/pass.conf is an older one") }
    }
}

/// What the workers have noted of nginx's include files.
public struct IncludeFiles: Sendable {
    /// When the latest request below `/cache` came, in milliseconds since 1970, if it came without the raw path: through an include file
    /// that is older than this program. nil when it had it, or none ever came.
    public let outdatedAt: Int64?

    /// - Parameter dataDirectory: the workers'. Nothing is made or changed in it.
    public init(dataDirectory: String) {
        let missedAt = Scoreboard(reading: dataDirectory + "/figures.shared").rawPathMissedAt
        outdatedAt = missedAt == 0 ? nil : missedAt
    }
}
