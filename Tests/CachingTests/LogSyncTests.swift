import Glibc
import Platform
import Synchronization
import Testing

@testable import Caching

@Suite("What outlives a power cut")
struct LogSyncTests {
    /// A disk whose syncs are counted, may take their time, and may fail.
    private final class Disk: Sendable {
        struct State: Sendable {
            var syncs = 0
            var checkpoints = 0
            var fails = false
            var delay: UInt32 = 0
            /// Commits that had been made when the last sync began.
            var covered: UInt64 = 0
        }
        let state = Monitor(State())
        let shared: SharedState
        init(_ shared: SharedState) { self.shared = shared }

        func sync() throws(SystemError) {
            let (delay, fails) = state.update { state in
                state.syncs += 1
                state.covered = shared.commits
                return (state.delay, state.fails)
            }
            usleep(delay)
            if fails { throw SystemError("fdatasync", code: EIO) }
        }

        func checkpoint() -> Bool {
            state.update { state in
                state.checkpoints += 1
                return !state.fails
            }
        }

        func log() -> LogSync {
            LogSync(shared, synchronize: { () throws(SystemError) in try self.sync() }, checkpoint: { self.checkpoint() })
        }
    }

    private let folder: TemporaryFolder
    private let shared: SharedState

    init() throws {
        folder = TemporaryFolder()
        shared = try SharedState(path: folder.file("page"))
    }

    @Test("nobody is told before a sync that began after his commit has ended; one serves all who came during the one before")
    func grouped() throws {
        let disk = Disk(shared)
        disk.state.update { $0.delay = 50_000 }
        // Two workers of one host, and fifty writers in each.
        let logs = [disk.log(), disk.log()]
        let told = Monitor([Bool]())
        for number in 0..<100 {
            shared.countCommit()
            let mine = shared.commits
            logs[number % 2].whenDone { fault in
                let isCovered = disk.state.withLock { $0.covered } >= mine
                told.update { $0.append(fault == nil && isCovered) }
            }
        }
        let all = told.wait(within: .seconds(20)) { $0.count == 100 ? $0 : nil }
        #expect(all?.allSatisfy { $0 } == true)
        #expect(disk.state.withLock { $0.syncs } <= 4)
        for log in logs { log.stop() }
    }

    @Test("what nobody waits for is synced once")
    func older() throws {
        let disk = Disk(shared)
        let log = disk.log()
        try log.finishOlder()
        #expect(disk.state.withLock { $0.syncs } == 0)
        shared.countCommit()
        try log.finishOlder()
        try log.finishOlder()
        try disk.log().finish()
        #expect(disk.state.withLock { $0.syncs } == 1)
    }

    @Test("after a sync that failed nothing is promised until a checkpoint has carried the log over")
    func failed() throws {
        let disk = Disk(shared)
        let log = disk.log()
        disk.state.update { $0.fails = true }
        shared.countCommit()
        #expect(throws: SystemError.self) { try log.finish() }
        // The kernel would say that all is well now; it is not (fsync(2)).
        shared.countCommit()
        #expect(throws: SystemError.self) { try log.finish() }
        #expect(disk.state.withLock { ($0.syncs, $0.checkpoints) == (1, 1) })
        disk.state.update { $0.fails = false }
        try disk.log().finish()
        #expect(disk.state.withLock { ($0.syncs, $0.checkpoints) == (1, 2) })
        shared.countCommit()
        try log.finish()
        #expect(disk.state.withLock { ($0.syncs, $0.checkpoints) == (2, 2) })
    }

    @Test("a process that is frozen in a sync keeps the others for a second at most")
    func frozen() throws {
        let lock = try LockFile(existing: folder.file("page")).lock(3)
        #expect(lock.tryLock())
        shared.countCommit()
        let begin = SystemClock().monotonic
        try Disk(shared).log().finish()
        #expect(SystemClock().monotonic - begin < .seconds(5))
        #expect(shared.synced == shared.commits)
        lock.unlock()
    }

    @Test(
        "writes to user wait for the disk, and to session and temp where that is wished; records do not",
        arguments: [[CacheName.user], [.user, .temp]])
    func caches(_ durable: [CacheName]) throws {
        let caches = try Caches(
            CachesConfiguration(path: folder.file("cache.db"), durable: Set(durable)), log: LogLines().logger)
        defer { caches.close() }
        let deeds: [(String, (CacheName) throws -> Void)] = [
            ("put", { try caches.put($0, bytes("a/k"), bytes("v")) }),
            ("several", { try caches.put($0, [(key: bytes("a/l"), value: bytes("v"), ttl: nil)]) }),
            ("update", { try caches.update($0, bytes("a/k")) { _ in bytes("w") } }),
            ("expire", { try caches.expire($0, bytes("a/k"), in: .seconds(5)) }),
            ("delete", { try caches.delete($0, bytes("a/k")) }),
            ("clear", { try caches.clear($0, prefix: bytes("a/")) }),
        ]
        for cache in CacheName.allCases {
            for (what, deed) in deeds {
                try caches.sync.finish()
                let before = caches.shared.commits
                try deed(cache)
                #expect(caches.shared.commits == before + 1, "\(what)")
                #expect((caches.shared.synced == caches.shared.commits) == durable.contains(cache), "\(what) in \(cache)")
            }
        }
        try caches.put(.temp, bytes("k"), bytes("v"))
        let written = caches.shared.commits
        try caches.maintain()
        #expect(caches.shared.synced >= written)
    }
}
