import Foundation
import Glibc
import Synchronization
import Testing

@testable import Platform

@Suite("Files") struct FileTests {
    private let folder: TemporaryFolder
    init() throws { folder = try TemporaryFolder() }

    private func write(_ text: String, to name: String) throws {
        try text.write(toFile: folder.file(name), atomically: false, encoding: .utf8)
    }

    @Test("a write to a watched file ends the wait, and so does who stops it; each is told once")
    func watch() throws {
        try write("a", to: "a")
        let watch = try #require(FileWatch(path: folder.file("a")))
        let (stop, path) = (try EventFD(), folder.file("a"))
        func wait(_ limit: Duration) -> Duration {
            let start = SystemClock().monotonic
            FileWatch.wait(for: watch, or: stop, within: limit, BlockingContext())
            return SystemClock().monotonic - start
        }
        let writer = try WorkerThread.start(named: "writer") {
            usleep(50_000)
            let descriptor = open(path, O_WRONLY)
            _ = Glibc.write(descriptor, "b", 1)
            close(descriptor)
        }
        #expect(wait(.seconds(30)) < .seconds(20))
        #expect(writer.join(within: .seconds(20)))
        #expect(wait(.milliseconds(100)) >= .milliseconds(90))
        stop.signal()
        #expect(wait(.seconds(30)) < .seconds(20))
        FileWatch.wait(for: nil, or: stop, within: .seconds(30), BlockingContext())
        #expect(stop.take())
        #expect(FileWatch(path: folder.file("none")) == nil)
    }

    @Test("two paths to one file are the same, a copy and a replacement are not")
    func identity() throws {
        try write("a", to: "a")
        try FileManager.default.createSymbolicLink(atPath: folder.file("link"), withDestinationPath: folder.file("a"))
        try write("a", to: "b")
        let before = try #require(FileIdentity(path: folder.file("a")))
        #expect(FileIdentity(path: folder.file("link")) == before && FileIdentity(path: folder.file("b")) != before)
        try write("more", to: "a")
        #expect(FileIdentity(path: folder.file("a")) == before, "changed, and still the same file")
        #expect(rename(folder.file("b"), folder.file("a")) == 0)
        #expect(FileIdentity(path: folder.file("a")) != before && FileIdentity(path: folder.file("b")) == nil)
    }

    @Test("a stamp shows a change of size and of time")
    func stamp() throws {
        try write("a", to: "a")
        let path = folder.file("a")
        let before = try #require(FileStamp(path: path))
        #expect(FileStamp(path: path) == before && before.size == 1)
        try write("bb", to: "a")
        #expect(FileStamp(path: path) != before && FileStamp(path: path)?.identity == before.identity)
        var times = [timespec(tv_sec: 5, tv_nsec: 7), timespec(tv_sec: 5, tv_nsec: 7)]
        #expect(utimensat(AT_FDCWD, path, &times, 0) == 0)
        #expect(FileStamp(path: path)?.modifiedAt == 5_000_000_007)
    }

    @Test("a stamp can be relied on when the file has rested for a second")
    func settled() throws {
        try write("a", to: "a")
        let path = folder.file("a")
        var times = [timespec(tv_sec: 5, tv_nsec: 0), timespec(tv_sec: 5, tv_nsec: 0)]
        #expect(utimensat(AT_FDCWD, path, &times, 0) == 0)
        let stamp = try #require(FileStamp(path: path))
        #expect(!stamp.isSettled(now: WallTime(milliseconds: 6000)) && stamp.isSettled(now: WallTime(milliseconds: 6001)))
        #expect(!stamp.isSettled(now: WallTime(milliseconds: 0)), "the clock was set back")
    }

    @Test("a file is read whole or not at all")
    func read() throws {
        let bytes = (0..<40_000).map { UInt8(truncatingIfNeeded: $0) }
        try Data(bytes).write(to: URL(fileURLWithPath: folder.file("a")))
        #expect(Files.read(folder.file("a"), atMost: 40_000) == bytes)
        #expect(Files.read(folder.file("a"), atMost: 39_999) == nil)
        #expect(Files.read(folder.file("none"), atMost: 10) == nil && Files.read(folder.path, atMost: 10) == nil)
        try write("", to: "empty")
        #expect(Files.read(folder.file("empty"), atMost: 0) == [])
    }

    @Test("a private file is nobody else's, and one that is there is left as it is")
    func createPrivate() throws {
        let path = folder.file("secret")
        #expect(try Files.createPrivate(path))
        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
        #expect(mode == 0o600)
        try write("kept", to: "secret")
        #expect(try !Files.createPrivate(path))
        #expect(Files.read(path, atMost: 10) == Array("kept".utf8))
        try Files.synchronize(path)
        try Files.synchronize(folder.path)
        #expect(throws: SystemError("open", code: ENOENT)) { try Files.createPrivate(folder.file("no/where")) }
        #expect(throws: SystemError("open", code: ENOENT)) { try Files.synchronize(folder.file("none")) }
        #expect(SystemError("open", code: ENOENT).description == "open: No such file or directory")
    }
}

@Suite("Locks on files") struct FileLockTests {
    private let folder: TemporaryFolder
    init() throws { folder = try TemporaryFolder() }

    private func opened() throws -> LockFile { try LockFile(path: folder.file("lock")) }

    @Test("one opening has a byte at a time; other bytes are free")
    func exclusive() throws {
        let (one, other) = (try opened(), try opened())
        #expect(one.lock(0).tryLock() && one.lock(0).tryLock())
        #expect(!other.lock(0).tryLock() && other.lock(1).tryLock() && other.lock(0).isHeldElsewhere)
        #expect(!other.lock(0).lock(within: .milliseconds(5)))
        one.lock(0).unlock()
        #expect(!other.lock(0).isHeldElsewhere && other.lock(0).lock(within: .zero))
        #expect(!one.lock(0).tryLock())
    }

    @Test("a lock goes with the opening that has it")
    func gone() throws {
        let other = try opened()
        do {
            let one = try opened()
            #expect(one.lock(7).tryLock() && !other.lock(7).tryLock())
        }
        #expect(other.lock(7).tryLock())
    }

    @Test("who waits gets the lock when it is let go of", arguments: [true, false])
    func waits(within limit: Bool) throws {
        let (one, other) = (try opened(), try opened())
        #expect(one.lock(3).tryLock())
        let got = Locked(false)
        let thread = try WorkerThread.start(named: "waiter") {
            let lock = other.lock(3)
            got.withLock { $0 = limit ? lock.lock(within: .seconds(30)) : lock.lock() }
        }
        #expect(!thread.join(within: .milliseconds(30)))
        one.lock(3).unlock()
        #expect(thread.join(within: .seconds(20)) && got.withLock { $0 })
    }

    @Test("at most one is inside at any time, however many want to")
    func crowd() throws {
        let files = try (0..<4).map { _ in try opened() }
        let inside = Atomic(0)
        let most = Atomic(0)
        DispatchQueue.concurrentPerform(iterations: 4) { number in
            for _ in 0..<50 where files[number].lock(0).lock() {
                most.max(inside.add(1, ordering: .relaxed).newValue, ordering: .relaxed)
                inside.subtract(1, ordering: .relaxed)
                files[number].lock(0).unlock()
            }
        }
        #expect(most.load(ordering: .relaxed) == 1)
    }

    @Test("a file that cannot be made, or is not there, says so")
    func missing() {
        #expect(throws: SystemError("open", code: ENOENT)) { try LockFile(path: folder.file("no/where")) }
        #expect(throws: SystemError("open", code: ENOENT)) { try LockFile(existing: folder.file("none")) }
    }
}

@Suite("Shared memory") struct SharedMemoryTests {
    private let folder: TemporaryFolder
    private let layout: UInt64 = 0x7465_7374_0000_0001
    init() throws { folder = try TemporaryFolder() }

    private func opened(_ layout: UInt64? = nil, fill: @escaping @Sendable (SharedMemory) -> Void = { _ in }) -> SharedMemory {
        SharedMemory(path: folder.file("page"), length: 8192, layout: layout ?? self.layout, permissions: 0o640, lockByte: 0, fill: fill)
    }

    @Test("what one changes the other sees, and no addition is lost")
    func shared() {
        let (one, other) = (opened(), opened())
        #expect(one.isShared && other.isShared)
        one.store64(40, at: 64)
        #expect(other.add64(2, at: 64) == 42 && one.load64(at: 64) == 42)
        DispatchQueue.concurrentPerform(iterations: 4) { number in
            for _ in 0..<1000 { (number % 2 == 0 ? one : other).add32(1, at: 128) }
        }
        #expect(one.load32(at: 128) == 4000)
        one.address(4096, 3).copyMemory(from: [1, 2, 3] as [UInt8], byteCount: 3)
        #expect(other.address(4096, 3).load(fromByteOffset: 2, as: UInt8.self) == 3)
    }

    @Test("of many that come at once one fills it, and what it holds outlives them")
    func once() {
        let fills = Monitor(0)
        DispatchQueue.concurrentPerform(iterations: 8) { _ in
            let memory = opened { memory in
                fills.update { $0 += 1 }
                memory.store64(7, at: 8)
            }
            #expect(memory.isShared && memory.load64(at: 8) == 7)
        }
        #expect(fills.withLock { $0 } == 1)
        #expect(opened().load64(at: 8) == 7)
    }

    @Test("a file of another layout is emptied and filled anew")
    func layouts() {
        opened().store64(9, at: 512)
        let next = opened(layout + 1) { $0.store64(1, at: 8) }
        #expect(next.isShared && next.load64(at: 512) == 0 && next.load64(at: 8) == 1)
        #expect(SharedMemory(existing: folder.file("page"), length: 8192, layout: layout) == nil)
    }

    @Test("who only looks makes nothing, and sees what the others count")
    func existing() throws {
        #expect(SharedMemory(existing: folder.file("page"), length: 8192, layout: layout) == nil)
        #expect(FileStamp(path: folder.file("page")) == nil)
        let memory = opened()
        let reader = try #require(SharedMemory(existing: folder.file("page"), length: 8192, layout: layout))
        memory.add64(5, at: 16)
        #expect(reader.isShared && reader.load64(at: 16) == 5)
        #expect(SharedMemory(existing: folder.file("page"), length: 16_384, layout: layout) == nil, "shorter than it should be")
    }

    @Test("a file that is cut, removed or replaced ends nobody: it is made anew, and shared again")
    func mended() throws {
        let fill: @Sendable (SharedMemory) -> Void = { $0.store64(.random(in: 1 ... .max), at: 8) }
        let (one, other) = (opened(fill: fill), opened(fill: fill))
        #expect(!one.mend() && !other.mend())
        let deeds: [(String, () throws -> Void)] = [
            ("cut", { #expect(truncate(folder.file("page"), 0) == 0) }),
            ("cut short", { #expect(truncate(folder.file("page"), 4096) == 0) }),
            ("removed", { #expect(unlink(folder.file("page")) == 0) }),
            ("replaced", { try Data(count: 100).write(to: URL(fileURLWithPath: folder.file("page"))) }),
        ]
        for (what, deed) in deeds {
            let before = one.load64(at: 8)
            one.store64(5, at: 4096)
            try deed()
            // Beyond the end there is nothing but zeroes, and then it is known that nobody else sees them.
            if what.hasPrefix("cut") { #expect(other.load64(at: 4096) == 0 && !other.isShared, "\(what)") }
            #expect(one.mend(), "\(what)")
            _ = other.mend()
            #expect(one.isShared && other.isShared, "\(what)")
            #expect(one.load64(at: 8) != before && one.load64(at: 8) == other.load64(at: 8) && one.load64(at: 4096) == 0, "\(what)")
            one.store64(7, at: 4096)
            #expect(other.load64(at: 4096) == 7, "\(what)")
            #expect(!one.mend() && !other.mend(), "\(what)")
        }
    }

    @Test("without a file there is memory of one's own, and it says so")
    func alone() {
        let memory = SharedMemory(path: folder.file("no/page"), length: 4096, layout: 1, permissions: 0o640, lockByte: 0) {
            $0.store64(3, at: 8)
        }
        #expect(!memory.isShared && memory.file == nil && memory.load64(at: 8) == 3 && memory.load64(at: 0) == 1)
        let owned = SharedMemory(ownedLength: 64)
        #expect(!owned.isShared && owned.add64(2, at: 56) == 2)
    }

    @Test("while another process makes it, it is waited for; when that does not end, one's own memory must do")
    func busy() throws {
        let file = try LockFile(path: folder.file("page"))
        #expect(file.lock(0).tryLock())
        let memory = opened()
        #expect(!memory.isShared && memory.isBeingMade && memory.file != nil)
        file.lock(0).unlock()
        #expect(opened().isShared)
    }

    @Test("what was made before is shared, whoever holds the lock meanwhile")
    func made() throws {
        opened().store64(7, at: 512)
        let file = try LockFile(path: folder.file("page"))
        #expect(file.lock(0).tryLock())
        let memory = opened()
        #expect(memory.isShared && !memory.isBeingMade && memory.load64(at: 512) == 7)
    }
}

@Suite("Processors") struct ProcessorTests {
    @Test("a quota counts in whole processors, rounded up; no limit is none")
    func quota() {
        let lines: [(String, Int?)] = [
            ("max 100000\n", nil), ("150000 100000\n", 2), ("200000 100000", 2), ("1000 100000", 1), ("", nil), ("x y", nil), ("0 0", nil),
        ]
        for (text, count) in lines { #expect(Processors.quota(text) == count, "\(text)") }
    }

    @Test("the groups above count, too")
    func groups() {
        #expect(
            Processors.paths("1:name=systemd:/x\n0::/a/b\n")
                == ["/sys/fs/cgroup/a/b/cpu.max", "/sys/fs/cgroup/a/cpu.max", "/sys/fs/cgroup/cpu.max"])
        #expect(Processors.paths("0::/\n") == ["/sys/fs/cgroup/cpu.max"])
        #expect(Processors.paths("0::/../x\n") == ["/sys/fs/cgroup/cpu.max"])
        #expect(Processors.paths("4:cpu:/x\n") == [])
        #expect(
            Processors.legacyFolders("5:memory:/a\n4:cpu,cpuacct:/a/b\n3:cpuset:/a\n0::/\n")
                == ["/sys/fs/cgroup/cpu,cpuacct/a/b", "/sys/fs/cgroup/cpu,cpuacct/a", "/sys/fs/cgroup/cpu,cpuacct"])
        #expect(Processors.legacyFolders("0::/a\n") == [])
        #expect(Processors.available >= 1)
    }
}
