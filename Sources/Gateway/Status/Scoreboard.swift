import FastCGI
import Glibc
import Logging
import Platform

/// Counters that all workers map (`figures.shared` in the data folder), so that any of them can tell the sum.
///
/// Each worker counts into a slot of its own, by atomic additions and without a lock or a system call. A slot is held by a lock on
/// one byte of the file, which goes with the process; whoever takes the slot of a dead worker counts on where that one ended. So
/// the sum of all slots is what was counted since the file was made, whichever workers were killed, and nothing is ever moved.
/// A file that cannot be mapped costs the sums: the worker then counts for itself.
final class Scoreboard: Sendable {
    private let memory: SharedMemory
    /// Where the own slot begins; nil for who only reads.
    private let own: Int?
    /// What took how long; a part of the file that workers of the first release do not know.
    let timings: Timings

    private static let slotCount = 512
    private static let slotBytes = 512
    private static let layout: UInt64 = 0x5347_4649_4755_0001
    private static let firstLength = Offset.slots + slotCount * slotBytes
    private static let length = firstLength + slotCount * Timings.slotBytes
    private static let makingLock: Int64 = 0
    private static let firstSlotLock: Int64 = 16

    /// After the layout's number.
    private enum Offset {
        static let logSequence = 8, rawPathMissedAt = 16, minutes = 64, lookupSequence = 576, lookups = 584, log = 4096
        static let slots = log + LogRing.bytes
    }
    private enum Field { static let process = 0, startedAt = 8, parked = 16, conditions = 24, counters = 64 }

    /// Takes a slot. Never fails: see above.
    init(path: String, now: Int64 = SystemClock().wall.milliseconds) {
        let shared = SharedMemory(
            path: path, length: Self.length, layout: Self.layout, permissions: 0o640, lockByte: Self.makingLock)
        let slot = shared.isShared ? Self.claim(shared) : nil
        let own = Self.offset(ofSlot: slot ?? 0)
        memory = slot == nil ? SharedMemory(ownedLength: Self.length) : shared
        self.own = own
        timings = Timings(memory, start: Self.firstLength, slot: slot ?? 0)
        memory.store64(0, at: own + Field.parked)
        memory.store64(0, at: own + Field.conditions)
        memory.store64(UInt64(bitPattern: now), at: own + Field.startedAt)
        memory.store64(UInt64(getpid()), at: own + Field.process)
        begin(now: now)
    }

    /// Makes the file anew where it was cut, replaced or removed; what was counted is gone then. About once a second.
    /// - Returns: whether it did.
    func mend(now: Int64 = SystemClock().wall.milliseconds) -> Bool {
        guard let own else { return false }
        let isAnew = memory.mend()
        // Another worker may have been the one that made it anew.
        guard isAnew || memory.load64(at: own + Field.process) != UInt64(getpid()) else { return false }
        // Where another has it meanwhile both count there, and the sums are right all the same.
        _ = memory.file?.lock(Self.firstSlotLock + Int64((own - Offset.slots) / Self.slotBytes)).tryLock()
        memory.store64(UInt64(bitPattern: now), at: own + Field.startedAt)
        memory.store64(UInt64(getpid()), at: own + Field.process)
        return isAnew
    }

    /// Reads what the workers count, without a slot and without making the file. Where there is none, nothing was counted.
    init(reading path: String) {
        let whole = SharedMemory(existing: path, length: Self.length, layout: Self.layout)
        memory =
            whole ?? SharedMemory(existing: path, length: Self.firstLength, layout: Self.layout)
            ?? SharedMemory(ownedLength: Self.firstLength)
        own = nil
        timings = Timings(memory, start: whole == nil ? nil : Self.firstLength, slot: nil)
    }

    /// The first slot that no process holds; its lock is kept as long as the file is open.
    private static func claim(_ memory: SharedMemory) -> Int? {
        (0..<slotCount).first { memory.file?.lock(firstSlotLock + Int64($0)).tryLock() ?? false }
    }

    private static func offset(ofSlot slot: Int) -> Int { Offset.slots + slot * slotBytes }

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
        if let own { memory.add64(amount, at: own + field) }
    }

    /// Tells all processes what only this one knows.
    func note(_ conditions: WorkerConditions) {
        if let own { memory.store64(conditions.rawValue, at: own + Field.conditions) }
    }

    /// When, in wall-clock milliseconds, the latest request that needs the raw path came without it; 0 when it had it, or none came.
    var rawPathMissedAt: Int64 {
        get { Int64(bitPattern: memory.load64(at: Offset.rawPathMissedAt)) }
        set { memory.store64(UInt64(bitPattern: newValue), at: Offset.rawPathMissedAt) }
    }

    // MARK: Reading

    /// Of all workers since the file was made.
    var sum: Counters { slots.prefix(usedSlots).reduce(into: Counters()) { $0 += counts($1) } }

    /// What took how long, of all workers since the file was made.
    var timingSums: TimingSums { timings.sum(slots: usedSlots) }

    /// The lowest free slot is taken, so the first that never was ends them.
    private var usedSlots: Int { slots.first { word(Field.process, $0) == 0 } ?? slots.count }

    /// A worker that lives.
    struct Worker: Sendable, Equatable {
        /// Its place, which the next worker has when it has ended.
        var slot: Int
        var process: Int32
        /// Wall-clock milliseconds.
        var startedAt: Int64
        var parked: Int
        var conditions: WorkerConditions = []
    }

    var workers: [Worker] {
        slots.filter(isHeld).map { slot in
            Worker(
                slot: slot, process: Int32(truncatingIfNeeded: word(Field.process, slot)),
                startedAt: Int64(bitPattern: word(Field.startedAt, slot)),
                parked: max(0, Int(Int64(bitPattern: word(Field.parked, slot)))),
                conditions: WorkerConditions(rawValue: word(Field.conditions, slot)))
        }
    }

    private var slots: Range<Int> { 0..<(memory.isShared ? Self.slotCount : 1) }

    private func word(_ field: Int, _ slot: Int) -> UInt64 { memory.load64(at: Self.offset(ofSlot: slot) + field) }

    private func counts(_ slot: Int) -> Counters {
        var counts = Counters()
        for place in counts.values.indices { counts.values[place] = word(Field.counters + place * 8, slot) }
        return counts
    }

    private func isHeld(_ slot: Int) -> Bool {
        if Self.offset(ofSlot: slot) == own { return true }
        guard word(Field.process, slot) != 0 else { return false }
        return memory.file?.lock(Self.firstSlotLock + Int64(slot)).isHeldElsewhere ?? false
    }

    // MARK: Answers

    // Counts answers at the moment they are handed to the event loop. A worker that is killed between that and the socket has counted
    // an answer that its caller did not get: at most one for each of its threads. (Counting after the write would lose as many.)

    /// - Parameter began: when the request was whole.
    func count(_ outcome: Outcome, of family: Counter.Family, since began: MonotonicTime) -> Outcome {
        switch outcome {
        case .now(let response):
            count(response, of: family, since: began)
            return outcome
        case .pending: return outcome
        case .parked(let parkedRequest):
            park()
            let parkedAt = SystemClock().monotonic
            return .parked(
                parkedRequest.observed { [self] response in
                    unpark()
                    if family.waitsForLookups {
                        let waited = SystemClock().monotonic.nanoseconds &- parkedAt.nanoseconds
                        timings.add(wait: waited, hasLeft: response == nil)
                    }
                    if let response { count(response, of: family, since: began) }
                })
        }
    }

    private func count(_ response: Response, of family: Counter.Family, since began: MonotonicTime) {
        add(Counter.place(family, status: response.status))
        let counted = CacheStatus.counted(response.note)
        timings.add(
            request: SystemClock().monotonic.nanoseconds &- began.nanoseconds, of: family,
            RequestOutcome(counted?.0, status: response.status))
        guard let (source, isStale) = counted else { return }
        add(Counter.place(source))
        if isStale { add(Counter.stale) }
    }

    // MARK: Minutes

    // The sum of answers at the last look in each of the latest minutes: what the picture of the last hour is drawn from. Any worker
    // writes it once a second; minute and sum stand in one word, so that no reader sees the half of it.

    private static let minutes = 64
    private static let sumBits: UInt64 = 38

    private static func offset(ofMinute minute: Int) -> Int { Offset.minutes + minute % minutes * 8 }

    /// Gives the first minute of a run something to be compared with.
    private func begin(now: Int64) {
        let before = max(0, now) - 60_000
        let word = memory.load64(at: Self.offset(ofMinute: Int(max(0, before) / 60_000)))
        if word >> Self.sumBits != UInt64(max(0, before) / 60_000) { sample(now: before) }
    }

    /// Notes the sum under the minute that `now` (wall-clock milliseconds) is in.
    func sample(now: Int64 = SystemClock().wall.milliseconds) {
        let minute = UInt64(max(0, now) / 60_000)
        let word = minute << Self.sumBits | sum.answered & (1 << Self.sumBits - 1)
        memory.store64(word, at: Self.offset(ofMinute: Int(minute)))
    }

    /// Answers in each of the last 60 minutes, oldest first; the last is the one under way.
    func answersByMinute(now: Int64 = SystemClock().wall.milliseconds) -> [Int] {
        let current = UInt64(max(0, now) / 60_000)
        var sums: [UInt64: UInt64] = [:]
        for place in 0..<Self.minutes {
            let word = memory.load64(at: Self.offset(ofMinute: place))
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
        let number = memory.add64(1, at: Offset.logSequence)
        let entry = Self.offset(ofEntry: number)
        memory.store64(0, at: entry + LogRing.Field.number)
        memory.store64(UInt64(bitPattern: line.time), at: entry + LogRing.Field.time)
        memory.store64(UInt64(line.process), at: entry + LogRing.Field.process)
        memory.store64(isError ? 1 : 0, at: entry + LogRing.Field.level)
        let text = Array(line.text.utf8.prefix(LogRing.longestText))
        text.withUnsafeBytes { bytes in
            if let base = bytes.baseAddress {
                memory.address(entry + LogRing.Field.text, bytes.count).copyMemory(from: base, byteCount: bytes.count)
            }
        }
        memory.store64(UInt64(text.count), at: entry + LogRing.Field.length)
        memory.store64(number, at: entry + LogRing.Field.number)
    }

    /// The newest first.
    func latestLines(_ limit: Int) -> [LoggedLine] {
        let newest = memory.load64(at: Offset.logSequence)
        let oldest = newest > UInt64(LogRing.entries) ? newest - UInt64(LogRing.entries) + 1 : 1
        guard newest >= oldest else { return [] }
        return Array((oldest...newest).reversed().lazy.compactMap(line).prefix(limit))
    }

    private static func offset(ofEntry number: UInt64) -> Int {
        Offset.log + Int(number % UInt64(LogRing.entries)) * LogRing.entryBytes
    }

    // MARK: Lookups

    /// Notes a lookup that has ended, by a name without what was typed.
    func note(lookup name: String, status: Int, at now: Int64 = SystemClock().wall.milliseconds) {
        let number = memory.add64(1, at: Offset.lookupSequence)
        let entry = Self.offset(ofLookup: number)
        memory.store64(0, at: entry + LookupRing.Field.number)
        memory.store64(UInt64(bitPattern: now), at: entry + LookupRing.Field.time)
        memory.store64(UInt64(max(0, status)), at: entry + LookupRing.Field.status)
        let text = Array(name.utf8.prefix(LookupRing.longestName))
        text.withUnsafeBytes { bytes in
            if let base = bytes.baseAddress {
                memory.address(entry + LookupRing.Field.name, bytes.count).copyMemory(from: base, byteCount: bytes.count)
            }
        }
        memory.store64(UInt64(text.count), at: entry + LookupRing.Field.length)
        memory.store64(number, at: entry + LookupRing.Field.number)
    }

    /// The newest first.
    var latestLookups: [EndedLookup] {
        let newest = memory.load64(at: Offset.lookupSequence)
        let oldest = newest > UInt64(LookupRing.entries) ? newest - UInt64(LookupRing.entries) + 1 : 1
        guard newest >= oldest else { return [] }
        return (oldest...newest).reversed().compactMap { number in
            let entry = Self.offset(ofLookup: number)
            guard memory.load64(at: entry + LookupRing.Field.number) == number else { return nil }
            let length = Int(min(memory.load64(at: entry + LookupRing.Field.length), UInt64(LookupRing.longestName)))
            let name = UnsafeRawBufferPointer(start: memory.address(entry + LookupRing.Field.name, length), count: length)
            let lookup = EndedLookup(
                name: String(decoding: name, as: UTF8.self), status: Int(memory.load64(at: entry + LookupRing.Field.status)),
                time: Int64(bitPattern: memory.load64(at: entry + LookupRing.Field.time)))
            return memory.load64(at: entry + LookupRing.Field.number) == number ? lookup : nil
        }
    }

    private static func offset(ofLookup number: UInt64) -> Int {
        Offset.lookups + Int(number % UInt64(LookupRing.entries)) * LookupRing.entryBytes
    }

    private func line(_ number: UInt64) -> LoggedLine? {
        let entry = Self.offset(ofEntry: number)
        func word(_ field: Int) -> UInt64 { memory.load64(at: entry + field) }
        guard word(LogRing.Field.number) == number else { return nil }
        let length = Int(min(word(LogRing.Field.length), UInt64(LogRing.longestText)))
        let text = UnsafeRawBufferPointer(start: memory.address(entry + LogRing.Field.text, length), count: length)
        let line = LoggedLine(
            time: Int64(bitPattern: word(LogRing.Field.time)), process: Int32(truncatingIfNeeded: word(LogRing.Field.process)),
            level: word(LogRing.Field.level) == 1 ? "error" : "warning", text: String(decoding: text, as: UTF8.self))
        return word(LogRing.Field.number) == number ? line : nil
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

/// Where the latest log lines at warning and above, of all workers, stand in `figures.shared`.
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

/// A lookup that has ended, as the status page shows it.
struct EndedLookup: Sendable, Equatable {
    /// Of a search without what was typed.
    var name: String
    /// 200, or the status of Spotify's refusal.
    var status: Int
    /// Wall-clock milliseconds.
    var time: Int64
}

/// Where the latest lookups of all workers stand in `figures.shared`, between the minutes and the log; guarded as the log's entries are.
private enum LookupRing {
    static let entries = 32
    static let entryBytes = 104
    enum Field { static let number = 0, time = 8, status = 16, length = 24, name = 32 }
    static let longestName = entryBytes - Field.name
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
        scoreboard.rawPathMissedAt = SystemClock().wall.milliseconds
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
