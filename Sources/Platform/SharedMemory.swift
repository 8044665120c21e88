import CSystem
import Glibc

/// A few kilobytes that all processes map from one file, and read and change by atomic operations: no lock, no system call.
///
/// Nothing in it may have to outlive the file. Whoever cannot map it gets memory of his own, and `isShared` says so: it is then for him to
/// decide what he may still conclude. The file begins with a number that names its layout; it is made and filled by whoever comes first.
///
/// A file that is cut while it is mapped does not end the process: from the next touch on there are zeroes, `isShared` says so, and `mend`
/// makes it anew.
///
/// `@unchecked Sendable`: the mapping lives as long as this object, words are touched by atomic operations only, and what is read and
/// written through `address` is guarded by such words. Its place in memory never changes.
public final class SharedMemory: @unchecked Sendable {
    /// How the file is made; nil for memory that nobody shares, and for who only looks.
    private let recipe: Recipe?
    private let isMapped: Bool
    private let layout: UInt64
    /// Whether other processes see it.
    public var isShared: Bool { isMapped && csys_load64(start) == layout }
    /// Whether it is one's own only because another process was making the file all the while: for who must not do without the others.
    public let isBeingMade: Bool
    /// The file, for locks on its bytes; nil where it cannot be opened. It may be there and not be mapped: on a full disk.
    public let file: LockFile?
    private let start: UnsafeMutableRawPointer
    private let length: Int

    private struct Recipe {
        let path: String
        let permissions: mode_t
        let lockByte: Int64
        let fill: @Sendable (SharedMemory) -> Void
    }

    /// Maps the file, and makes it where there is none. While another process makes it, it is waited for, at most a second. (Whoever takes
    /// longer is frozen, or the disk is.)
    /// - Parameters:
    ///   - length: bytes, with the eight of the layout's number.
    ///   - layout: a number that no other layout has; a file with another one is emptied and filled anew.
    ///   - lockByte: is locked while the file is made.
    ///   - fill: sets what must not begin as zero, in a file that is made and in memory of one's own.
    public init(
        path: String, length: Int, layout: UInt64, permissions: mode_t, lockByte: Int64,
        fill: @escaping @Sendable (SharedMemory) -> Void = { _ in }
    ) {
        (self.length, self.layout) = (length, layout)
        recipe = Recipe(path: path, permissions: permissions, lockByte: lockByte, fill: fill)
        file = try? LockFile(path: path, permissions: permissions)
        let making = file?.lock(lockByte)
        let isMine = making?.lock(within: .seconds(1)) ?? false
        defer { if isMine { making?.unlock() } }
        var mapped = file.flatMap { Self.map($0.descriptor, length, allocating: true) }
        isBeingMade = !isMine && mapped.map { csys_load64($0) != layout } ?? false
        if isBeingMade, let unmade = mapped {
            // It may be filled at any moment.
            munmap(unmade, length)
            mapped = nil
        }
        isMapped = mapped != nil
        start = mapped ?? Self.allocate(length)
        if isMapped { csys_guard_shared(start, UInt64(length)) }
        if load64(at: 0) != layout { begin(fill) }
    }

    private func begin(_ fill: (SharedMemory) -> Void) {
        memset(start, 0, length)
        fill(self)
        store64(layout, at: 0)
    }

    /// Looks whether the file is whole and still where it was, and maps it again, or makes it anew, where it is not. About once a second.
    ///
    /// Not from two threads at once. Others may touch the words meanwhile; what they read then is of no use, and what they write may be lost.
    /// - Returns: whether it did: what this process knew of the words is void, and locks on bytes of the file may be gone.
    public func mend() -> Bool {
        guard isMapped, let recipe, let file else { return false }
        let isThere = file.isStill(at: recipe.path)
        guard !isThere || !isShared || isCut(recipe) else { return false }
        do throws(SystemError) { if !isThere { try file.reopen(recipe.path, permissions: recipe.permissions) } } catch { return false }
        let making = file.lock(recipe.lockByte)
        guard making.lock(within: .seconds(1)) else { return false }
        defer { making.unlock() }
        // What is left of a file that was cut is no better than what is gone. Another process may have made it anew meanwhile.
        let isPartial = isCut(recipe)
        guard posix_fallocate(file.descriptor, 0, off_t(length)) == 0,
            csys_map_shared_again(start, file.descriptor, UInt64(length)) == 0
        else { return false }
        if isPartial || load64(at: 0) != layout { begin(recipe.fill) }
        return true
    }

    private func isCut(_ recipe: Recipe) -> Bool { FileStamp(path: recipe.path).map { $0.size < Int64(length) } ?? false }

    /// Maps what another process has made; nil where there is no such file, or it has another layout. Makes and changes nothing.
    public init?(existing path: String, length: Int, layout: UInt64) {
        var status = stat()
        guard let file = try? LockFile(existing: path), fstat(file.descriptor, &status) == 0, status.st_size >= off_t(length),
            let mapped = Self.map(file.descriptor, length, allocating: false)
        else { return nil }
        (self.file, self.length, start, isMapped, isBeingMade) = (file, length, mapped, true, false)
        (self.layout, recipe) = (layout, nil)
        csys_guard_shared(start, UInt64(length))
        guard load64(at: 0) == layout else { return nil }
    }

    /// Memory that only this process sees, all zero.
    public init(ownedLength length: Int) {
        (file, self.length, start, isMapped, isBeingMade) = (nil, length, Self.allocate(length), false, false)
        (layout, recipe) = (0, nil)
    }

    deinit {
        guard isMapped else { return start.deallocate() }
        csys_unguard_shared(start)
        munmap(start, length)
    }

    private static func map(_ descriptor: CInt, _ length: Int, allocating: Bool) -> UnsafeMutableRawPointer? {
        // Blocks are set aside first: a hole in a mapping on a full disk ends the process with SIGBUS.
        guard !allocating || posix_fallocate(descriptor, 0, off_t(length)) == 0 else { return nil }
        return csys_map_shared(descriptor, UInt64(length))
    }

    private static func allocate(_ length: Int) -> UnsafeMutableRawPointer {
        let start = UnsafeMutableRawPointer.allocate(byteCount: length, alignment: 64)
        memset(start, 0, length)
        return start
    }

    // MARK: Words

    // Offsets are in bytes, and multiples of the word's size.

    public func load64(at offset: Int) -> UInt64 { csys_load64(address(offset, 8)) }
    public func store64(_ value: UInt64, at offset: Int) { csys_store64(address(offset, 8), value) }
    /// Answers the sum.
    @discardableResult
    public func add64(_ value: UInt64, at offset: Int) -> UInt64 { csys_add64(address(offset, 8), value) }

    public func load32(at offset: Int) -> UInt32 { csys_load32(address(offset, 4)) }
    /// Answers the sum.
    @discardableResult
    public func add32(_ value: UInt32, at offset: Int) -> UInt32 { csys_add32(address(offset, 4), value) }

    /// Where `count` bytes stand, for what is no word. Others may write there at any moment.
    public func address(_ offset: Int, _ count: Int) -> UnsafeMutableRawPointer {
        precondition(offset >= 0 && count >= 0 && offset <= length - count, "outside of the shared memory")
        return start + offset
    }
}
