import Glibc
import Logging
import Platform
import Synchronization

/// Whose request is on its way from its permit to the kernel: one at a time, of all processes of the host.
///
/// What was granted may leave late, since anything can stop a thread between the two. So who is granted a permit has this lock until the bytes
/// were handed over, nobody is granted one meanwhile, and the next permit counts from that instant: calls are as far apart as grants are,
/// whatever stops whom. The lock goes with a process that dies; then the call counts as made when the next has the lock.
///
/// It is a lock on a file of its own, `limiter.db.sending`, whose content tells what became of the last grant. Never on `limiter.db`: closing a
/// second descriptor of that would drop SQLite's locks (sqlite.org/howtocorrupt.html, 2.2).
final class SendingLock: Sendable {
    /// What became of a grant.
    struct Note: Equatable {
        var bootID: String
        /// The grant's, in `limiter.db`.
        var id: Int64
        var grantedAt: BootTime
        /// When its bytes had been handed to the kernel, at the latest; nil: it is on its way, or its process died.
        var sentAt: BootTime?

        private static let length = 160

        var text: [UInt8] {
            let line = "\(id) \(grantedAt.nanoseconds) \(sentAt.map { "\($0.nanoseconds)" } ?? "-") \(bootID)"
            return Array((line + String(repeating: " ", count: max(0, Self.length - 1 - line.utf8.count)) + "\n").utf8)
        }

        init(bootID: String, id: Int64, grantedAt: BootTime, sentAt: BootTime?) {
            self.bootID = bootID
            self.id = id
            self.grantedAt = grantedAt
            self.sentAt = sentAt
        }

        /// nil for anything else.
        init?(_ text: [UInt8]) {
            let line = text.reversed().drop { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\n") }.reversed()
            let words = String(decoding: line, as: UTF8.self).split(separator: " ", maxSplits: 3)
            guard text.count == Self.length, words.count == 4, let id = Int64(words[0]), let grantedAt = Int64(words[1]) else { return nil }
            let sentAt = Int64(words[2])
            guard sentAt != nil || words[2] == "-" else { return nil }
            self.init(
                bootID: String(words[3]), id: id, grantedAt: BootTime(nanoseconds: grantedAt),
                sentAt: sentAt.map { BootTime(nanoseconds: $0) })
        }
    }

    private struct State {
        var file: LockFile?
        var isHeld = false
        /// Of the grant that is on its way.
        var note: Note?
        /// Since when another process has it.
        var refusedSince: MonotonicTime?
        /// The grant of another process that was on its way at the last look.
        var seenOnItsWay: Int64?
    }

    private let path: String
    private let clock: any HostClock
    private let trouble: LogOnce
    /// Guards the file and whether this process has the lock.
    private let state = Mutex(State())

    /// From then on the log speaks of it.
    private static let longestUsual = Duration.seconds(2)

    init(path: String, clock: any HostClock, log: Logger) {
        self.path = path
        self.clock = clock
        trouble = LogOnce(log)
    }

    /// Takes the lock. nil: it is this process's now, until `end`; else when to try again.
    func begin() throws(SystemError) -> Duration? {
        try state.withLock { state throws(SystemError) in
            guard !state.isHeld else { return Self.shortest }
            let file = try file(&state)
            state.isHeld = file.lock(0).tryLock()
            return state.isHeld ? settled(&state) : pause(&state)
        }
    }

    /// The same by who sees a grant on its way: its process may have died. Each grant may take its time anew.
    func begin(seeing note: Note) throws(SystemError) -> Duration? {
        state.withLock { state in
            if state.seenOnItsWay != note.id { (state.seenOnItsWay, state.refusedSince) = (note.id, nil) }
        }
        return try begin()
    }

    /// By who sees none: what was said of one that did not go on may be over.
    func settleIfFree() throws(SystemError) {
        guard state.withLock({ $0.refusedSince != nil }) else { return }
        _ = try pause()
    }

    /// How long to wait while another has the lock; nil where nobody has.
    func pause() throws(SystemError) -> Duration? {
        try state.withLock { state throws(SystemError) in
            guard !state.isHeld else { return Self.shortest }
            return try file(&state).lock(0).isHeldElsewhere ? pause(&state) : settled(&state)
        }
    }

    /// Ends it, however it went. The note stays as it is.
    func end() {
        state.withLock { state in
            guard state.isHeld else { return }
            (state.isHeld, state.note) = (false, nil)
            state.file?.lock(0).unlock()
        }
    }

    /// By who has the lock: what becomes of a grant, for whoever has it next.
    func write(_ note: Note) throws(SystemError) {
        try state.withLock { state throws(SystemError) in
            try state.file?.overwrite(note.text)
            state.note = note
        }
    }

    /// The bytes of the grant that is on its way have been handed over; nil: they will not be. Ends it.
    func end(sentAt instant: BootTime?) {
        if var note = state.withLock({ $0.note }), note.sentAt == nil {
            note.sentAt = max(instant ?? note.grantedAt, note.grantedAt)
            // Where it cannot be written, it counts as sent when the next has the lock.
            try? write(note)
        }
        end()
    }

    /// Why it cannot be had; nil: it can, or its file is still to be made. For who only looks: makes and opens nothing.
    func refusal() -> String? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        guard status.st_mode & S_IFMT == S_IFREG else { return "\(path) is not a file" }
        return access(path, R_OK | W_OK) == 0 ? nil : "\(path): \(SystemError("access").reason)"
    }

    /// What became of the last grant, as far as that can be read. A file that is not there is not made.
    func read() -> Note? { Files.read(path, atMost: 1024).flatMap(Note.init) }

    // MARK: What it says of the newest grant

    /// The newest grant, where its call left later than the file says.
    func late(_ transaction: Transaction) throws -> (id: Int64, grantedAt: BootTime, sentAt: BootTime)? {
        guard let note = try noteOfNewest(transaction) else { return nil }
        let sentAt = note.sentAt ?? transaction.now
        return sentAt > note.grantedAt ? (note.id, note.grantedAt, sentAt) : nil
    }

    /// By who writes the next grant: the file has the true instant of the last one from then on.
    func correctGrant(_ transaction: Transaction) throws {
        guard let late = try late(transaction) else { return }
        try transaction.run("UPDATE grants SET instant = ? WHERE id = ?", [late.sentAt, late.id])
    }

    /// Whoever has the lock and finds a grant on its way knows that its process died. Its call may have left until now.
    func countAbandoned(_ transaction: Transaction) throws {
        guard var note = try noteOfNewest(transaction), note.sentAt == nil else { return }
        note.sentAt = transaction.now
        try write(note)
    }

    /// nil: it is of another file, or an earlier boot's; then the file's word is all there is.
    private func noteOfNewest(_ transaction: Transaction) throws -> Note? {
        guard let note = read(), note.bootID == transaction.moment.bootID,
            let newest = try transaction.row("SELECT id, instant FROM grants ORDER BY id DESC LIMIT 1"),
            newest[0] == note.id, newest[1] == note.grantedAt
        else { return nil }
        return note
    }

    private func file(_ state: inout State) throws(SystemError) -> LockFile {
        if let file = state.file {
            if !file.isStill(at: path) { try file.reopen(path, permissions: 0o600) }
            return file
        }
        let file = try LockFile(path: path, permissions: 0o600)
        state.file = file
        return file
    }

    // MARK: Waiting

    private static let shortest = Duration.milliseconds(5)

    /// Short at first: it takes a few milliseconds as a rule.
    private func pause(_ state: inout State) -> Duration {
        let now = clock.monotonic
        let since = state.refusedSince ?? now
        state.refusedSince = since
        if now - since > Self.longestUsual {
            trouble.raise(
                "held", now: clock.wall, level: .warning,
                "another process is about to call Spotify and does not go on; no call is made until it does, or ends. It may be frozen")
        }
        return min(max(Self.shortest, (now - since) / 4), .seconds(1))
    }

    private func settled(_ state: inout State) -> Duration? {
        state.refusedSince = nil
        trouble.settle("the process that was about to call Spotify has gone on, or ended")
        return nil
    }
}
