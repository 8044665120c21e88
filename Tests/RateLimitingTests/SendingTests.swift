import Foundation
import GRDB
import Logging
import Platform
import Testing

@testable import RateLimiting

/// From the permit to the kernel: nobody else is granted one meanwhile, and the next one counts from then.
@Suite("Sending") struct SendingTests {
    private let interval = Duration.seconds(2)

    private func bench(_ calls: Int = 1000) throws -> (Bench, FileRateLimiter) {
        let bench = try Bench(rateLimit: RateLimit(interval: interval, callsPerWindow: calls))
        for key in ["a", "b", "c"] { try bench.enqueue(bench.ask(key, patience: .seconds(86_400))) }
        return (bench, try bench.folder.open(rateLimit: bench.rateLimiter.rateLimit, clock: bench.clock))
    }

    private func instants(_ bench: Bench) throws -> [BootTime] {
        try bench.folder.raw().read { try BootTime.fetchAll($0, sql: "SELECT instant FROM grants ORDER BY id") }
    }

    private func isRefused(_ limiter: FileRateLimiter) throws -> Bool {
        guard case .wait(let length, .turnOfAnother) = try limiter.permit(worker: "two") else { return false }
        guard try limiter.peek(worker: "two") != .due else { return false }
        return length >= .milliseconds(5) && length <= .seconds(1)
    }

    @Test("While a request is on its way nobody else is granted a permit, however long that takes")
    func alone() throws {
        let (bench, other) = try bench()
        _ = try #require(try bench.rateLimiter.permit(worker: "one").lease)
        for _ in 0..<10 {
            bench.clock.advance(.seconds(60))
            #expect(try isRefused(other))
            #expect(try isRefused(bench.rateLimiter), "nor does it get a second one itself")
        }
        bench.rateLimiter.endSending(wasSent: true)
        #expect(try other.permit(worker: "one") == .wait(interval, .interval), "the next counts from where the bytes left")
        bench.clock.advance(interval)
        #expect(try other.permit(worker: "one").lease != nil)
    }

    @Test("The file has the true instant with the next grant, so that the hour counts from it, too")
    func trueInstant() throws {
        let (bench, other) = try bench(1)
        let lease = try #require(try bench.rateLimiter.permit(worker: "one").lease)
        bench.clock.advance(.seconds(600))
        let sentAt = bench.clock.boot
        bench.rateLimiter.endSending(wasSent: true)
        #expect(try instants(bench) == [lease.grantedAt])
        let window = bench.rateLimiter.rateLimit.countedWindow
        #expect(try other.permit(worker: "one") == .wait(window, .hour))
        bench.clock.advance(window)
        let next = try #require(try other.permit(worker: "one").lease)
        #expect(try instants(bench).suffix(2) == [sentAt, next.grantedAt] || instants(bench) == [next.grantedAt])
        other.endSending(wasSent: true)
    }

    @Test("What writing a grant takes is done before the call is due: calls are an interval apart, and hardly more")
    func onTime() throws {
        let folder = try Folder()
        let limiter = try folder.open(rateLimit: RateLimit(interval: .milliseconds(50), callsPerWindow: 1000))
        let until = (SystemClock().wall + .seconds(600)).milliseconds
        _ = try limiter.enqueue((0..<30).map { Ask(key: "\($0)", priority: .caller, client: "anna", attendedUntil: until) })
        var sent: [BootTime] = []
        while sent.count < 30 {
            // As a thread does that looks, rests, and asks at the gate.
            if case .wait(let pause, _) = try limiter.peek(worker: "one") {
                usleep(UInt32(pause.wholeNanoseconds / 1000))
                continue
            }
            guard case .granted = try limiter.permit(worker: "one") else { continue }
            // Where the disk is slow the grant is dated later than this: then the next call is, too.
            let now = SystemClock().boot
            limiter.endSending(wasSent: true)
            sent.append(now)
        }
        let gaps = zip(sent, sent.dropFirst()).map { $1 - $0 }
        #expect(gaps.allSatisfy { $0 >= .milliseconds(50) }, "\(gaps)")
        // A busy machine makes some of them late, but not all.
        #expect(gaps.contains { $0 < .microseconds(50_400) }, "\(gaps)")
    }

    @Test("A request that is not sent leaves its slot spent where it was granted")
    func unsent() throws {
        let (bench, other) = try bench()
        let lease = try #require(try bench.rateLimiter.permit(worker: "one").lease)
        bench.clock.advance(.milliseconds(80))
        try bench.rateLimiter.losePermit(lease)
        bench.rateLimiter.endSending(wasSent: false)
        #expect(try other.permit(worker: "one") == .wait(interval - .milliseconds(80), .interval))
    }

    @Test("A process that dies between permit and kernel has made its call when the next one looks, and then only")
    func died() throws {
        let (bench, other) = try bench()
        do {
            let dying = try bench.folder.open(rateLimit: bench.rateLimiter.rateLimit, clock: bench.clock)
            _ = try #require(try dying.permit(worker: "one").lease)
            bench.clock.advance(.seconds(30))
            #expect(try isRefused(other))
        }
        #expect(try other.permit(worker: "one") == .wait(interval, .interval))
        bench.clock.advance(.seconds(1))
        #expect(try other.permit(worker: "one") == .wait(.seconds(1), .interval))
        #expect(try other.peek(worker: "one") == .wait(.seconds(1), .interval))
        bench.clock.advance(.seconds(1))
        #expect(try other.permit(worker: "one").lease != nil)
    }

    @Test("Calls that are on their way at several looks are not one that does not go on")
    func severalOnTheirWay() throws {
        let (bench, _) = try bench()
        let path = FileManager.default.temporaryDirectory.path + "/sending-\(RandomName.letters(bits: 60))"
        defer { unlink(path) }
        let log = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
        let one = SendingLock(path: path, clock: bench.clock, log: log)
        let other = SendingLock(path: path, clock: bench.clock, log: log)
        func look(at id: Int64) throws -> Duration? {
            try other.begin(seeing: SendingLock.Note(bootID: "boot", id: id, grantedAt: bench.clock.boot, sentAt: nil))
        }
        for id: Int64 in 1...3 {
            #expect(try one.begin() == nil)
            #expect(try look(at: id) == .milliseconds(5))
            bench.clock.advance(.seconds(10))
            if id == 3 { #expect(try look(at: id) == .seconds(1), "this one does not go on") }
            one.end()
        }
        try other.settleIfFree()
        #expect(try one.begin() == nil)
        #expect(try other.begin() == .milliseconds(5))
        one.end()
    }

    @Test("Who only looks sees the slot after a call whose process died come nearer, too")
    func diedUnseen() throws {
        let (bench, other) = try bench()
        do {
            let dying = try bench.folder.open(rateLimit: bench.rateLimiter.rateLimit, clock: bench.clock)
            _ = try #require(try dying.permit(worker: "one").lease)
            bench.clock.advance(.seconds(30))
        }
        #expect(try other.peek(worker: "one") == .wait(interval, .interval))
        bench.clock.advance(.seconds(1))
        #expect(try other.peek(worker: "one") == .wait(.seconds(1), .interval))
        bench.clock.advance(.seconds(1))
        #expect(try other.peek(worker: "one") == .due)
    }

    @Test("What is told of another boot, another file or no grant at all is not believed")
    func foreign() throws {
        let (bench, other) = try bench()
        let path = bench.folder.limiter + ".sending"
        #expect(try bench.rateLimiter.permitAndSend(worker: "one").lease != nil)
        let note = try #require(SendingLock.Note(try [UInt8](Data(contentsOf: URL(fileURLWithPath: path)))))
        #expect(note.sentAt == bench.clock.boot && note.bootID == bench.clock.bootID)
        let later = bench.clock.boot + .seconds(500)
        let odd = [
            SendingLock.Note(bootID: "boot 0", id: note.id, grantedAt: note.grantedAt, sentAt: later).text,
            SendingLock.Note(bootID: note.bootID, id: note.id + 1, grantedAt: note.grantedAt, sentAt: later).text,
            SendingLock.Note(bootID: note.bootID, id: note.id, grantedAt: later, sentAt: later).text,
            Array("nonsense".utf8), [], [UInt8](repeating: 0xFF, count: 160),
        ]
        for text in odd {
            try Data(text).write(to: URL(fileURLWithPath: path))
            #expect(try other.permit(worker: "one") == .wait(interval, .interval))
        }
        bench.clock.advance(interval)
        try FileManager.default.removeItem(atPath: path)
        #expect(try other.permit(worker: "one").lease != nil, "it is made anew")
        #expect(try isRefused(bench.rateLimiter), "and both go by the new one")
    }

    @Test("When the lock's file cannot be had no call is made")
    func noFile() throws {
        let (bench, _) = try bench()
        try FileManager.default.createDirectory(atPath: bench.folder.limiter + ".sending", withIntermediateDirectories: true)
        #expect(throws: RateLimiterError.self) { try bench.rateLimiter.permit(worker: "one") }
        #expect(try instants(bench) == [])
    }

    @Test("When a grant cannot be written, what is known of the one before holds")
    func notWritten() throws {
        let (bench, other) = try bench()
        _ = try #require(try bench.rateLimiter.permit(worker: "one").lease)
        bench.clock.advance(.seconds(30))
        bench.rateLimiter.endSending(wasSent: true)
        bench.clock.advance(interval)
        let raw = try bench.folder.raw()
        try raw.write {
            try $0.execute(sql: "CREATE TRIGGER full AFTER INSERT ON grants BEGIN SELECT raise(ABORT, 'full'); END")
        }
        #expect(throws: (any Error).self) { try other.permit(worker: "one") }
        try raw.write { try $0.execute(sql: "DROP TRIGGER full") }
        let fresh = try bench.folder.open(rateLimit: bench.rateLimiter.rateLimit, clock: bench.clock)
        #expect(try fresh.permit(worker: "one").lease != nil)
        fresh.endSending(wasSent: true)
        let granted = try instants(bench)
        #expect(granted.count == 2 && granted[1] - granted[0] == interval)
    }
}
