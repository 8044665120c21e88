import Caching
import Crypto
import Glibc
import Platform
import Synchronization

/// Answers that were paid for and that `cache.db` could not take, in memory until it can: for every process of the host that uses the same data
/// folder, over restarts of them all.
///
/// A private folder on a file system in memory, a file for each entry, named after its key, made under another name and renamed. It is read where
/// nothing (or only what is due) was found otherwise, and only when there is something in it. It is there only while it is needed.
public final class AnswerSpool: Sendable {
    /// An entry that waits for `cache.db`.
    struct Item: Sendable {
        var cache: CacheName
        var key: [UInt8]
        /// Its version is 0: it has none yet.
        var entry: Entry
    }

    /// An item as it lies there.
    struct Stored {
        var item: Item
        fileprivate var file: String
        fileprivate var identity: FileIdentity
    }

    private let parent: String
    private let folder: String
    private let mostBytes: UInt64
    private let filled = Atomic<Bool>(false)

    /// As much as a call may bring; for less no call is made.
    static let roomForAnswer: UInt64 = 20 << 20

    /// nil where the data folder is not there.
    /// - Parameter parent: a file system in memory (tmpfs).
    public init?(of dataFolder: String, in parent: String = "/dev/shm", mostBytes: UInt64 = 96 << 20) {
        guard let identity = FileIdentity(path: dataFolder) else { return nil }
        self.parent = parent
        self.mostBytes = mostBytes
        folder = "\(parent)/swingmusic-fcgi-\(String(identity.device, radix: 16))-\(String(identity.inode, radix: 16))"
        refresh()
    }

    /// Whether there is something in it, by the last `refresh`.
    var isFilled: Bool { filled.load(ordering: .relaxed) }

    /// Looks whether there is something in it. A system call as a rule.
    func refresh() { filled.store(!names(atMost: 1).isEmpty, ordering: .relaxed) }

    /// Why it could not take an answer now; nil: it could.
    func refusal() -> String? {
        var status = stat()
        if lstat(folder, &status) == 0 {
            guard isPrivate(status) else { return "\(folder) is not this user's alone" }
            guard isRoom(for: Self.roomForAnswer) else { return "\(folder) is full" }
        } else if access(parent, W_OK) != 0 {
            return "\(parent) cannot be written"
        }
        let free = Files.freeBytes(at: parent) ?? 0
        return free < Self.roomForAnswer ? "\(parent) is full" : nil
    }

    /// Keeps entries; one that is there under the same key is replaced. Throws when the first of them could not be kept: what follows it was
    /// not asked for.
    func put(_ items: [Item]) throws(SystemError) {
        for (place, item) in items.enumerated() {
            do throws(SystemError) { try put(item) } catch {
                if place == 0 { throw error }
                break
            }
        }
        filled.store(true, ordering: .relaxed)
    }

    /// The entry that waits under a key.
    func find(_ cache: CacheName, _ key: [UInt8]) -> Entry? {
        guard isFilled else { return nil }
        let name = Self.name(cache, key)
        return content(name).flatMap { stored(name, $0) }.flatMap { $0.item.cache == cache && $0.item.key == key ? $0.item.entry : nil }
    }

    /// What has waited longest, in order.
    func oldest(_ count: Int) -> [Stored] {
        let all = names(atMost: .max).compactMap { name in FileStamp(path: "\(folder)/\(name)").map { (name, $0.modifiedAt) } }
        return all.sorted { $0.1 < $1.1 }.prefix(count).compactMap { name, _ in
            guard let content = content(name) else { return nil }
            guard let stored = stored(name, content) else {
                unlink("\(folder)/\(name)")
                return nil
            }
            return stored
        }
    }

    /// Takes out what `cache.db` has by now; what has come under the same key since stays. The folder goes with the last.
    func remove(_ done: [Stored]) {
        for one in done {
            let aside = "\(folder)/.out-\(getpid())-\(one.file)"
            guard rename("\(folder)/\(one.file)", aside) == 0 else { continue }
            if FileIdentity(path: aside) != one.identity { _ = link(aside, "\(folder)/\(one.file)") }
            unlink(aside)
        }
        if names(atMost: 1).isEmpty { removeFolder() }
        refresh()
    }

    // MARK: Files

    private func put(_ item: Item) throws(SystemError) {
        let content = Self.head(item) + item.entry.value
        guard isRoom(for: UInt64(content.count)) else { throw SystemError("write", code: ENOSPC) }
        let name = Self.name(item.cache, item.key)
        let fresh = "\(folder)/.in-\(getpid())-\(name)"
        // Once more where the last one out has just removed it.
        for attempt in 0..<2 {
            try makeFolder()
            let descriptor = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
            guard descriptor >= 0 else {
                if errno == ENOENT, attempt == 0 { continue }
                throw SystemError("open")
            }
            let fault = write(content, to: descriptor)
            close(descriptor)
            if fault == nil, rename(fresh, "\(folder)/\(name)") == 0 { return }
            let error = fault ?? SystemError("rename")
            unlink(fresh)
            if error.code != ENOENT || attempt > 0 { throw error }
        }
    }

    private func write(_ content: [UInt8], to descriptor: CInt) -> SystemError? {
        content.withUnsafeBytes { bytes in
            var done = 0
            while done < bytes.count {
                let count = Glibc.write(descriptor, bytes.baseAddress! + done, bytes.count - done)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return SystemError("write", code: count < 0 ? errno : ENOSPC) }
                done += count
            }
            return nil
        }
    }

    private func makeFolder() throws(SystemError) {
        guard mkdir(folder, 0o700) != 0 else { return }
        guard errno == EEXIST else { throw SystemError("mkdir") }
        var status = stat()
        guard lstat(folder, &status) == 0 else { throw SystemError("lstat") }
        guard isPrivate(status) else { throw SystemError("open", code: EPERM) }
    }

    /// Anybody may make names in `/dev/shm`: what is not ours alone is not used.
    private func isPrivate(_ status: stat) -> Bool {
        status.st_mode & S_IFMT == S_IFDIR && status.st_uid == geteuid() && status.st_mode & 0o077 == 0
    }

    private func removeFolder() {
        for name in listing() where name.hasPrefix(".out-") || name.hasPrefix(".in-") {
            // What a process that died has left. One that is at it finds its file gone, and does it again.
            if let stamp = FileStamp(path: "\(folder)/\(name)"), SystemClock().wall.milliseconds - stamp.modifiedAt / 1_000_000 > 60_000 {
                unlink("\(folder)/\(name)")
            }
        }
        rmdir(folder)
    }

    private func names(atMost most: Int) -> [String] { listing(atMost: most) { !$0.hasPrefix(".") } }

    private func listing(atMost most: Int = .max, where isWanted: (String) -> Bool = { _ in true }) -> [String] {
        guard let directory = opendir(folder) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while names.count < most, let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            if name != ".", name != "..", isWanted(name) { names.append(name) }
        }
        return names
    }

    private func bytes() -> UInt64 {
        var status = stat()
        return listing().reduce(0) { sum, name in
            guard lstat("\(folder)/\(name)", &status) == 0 else { return sum }
            return sum + UInt64(max(0, status.st_size, Int(status.st_blocks) * 512))
        }
    }

    private func isRoom(for bytes: UInt64) -> Bool { self.bytes() + bytes <= mostBytes }

    // MARK: Their form: `swspool1 <cache> <storedAt> <expiresAt> <key in hexadecimal>`, a line, and the value

    private static let magic = "swspool1"

    private static func name(_ cache: CacheName, _ key: [UInt8]) -> String {
        Hexadecimal.text(SHA256.hash(data: Array("\(cache.rawValue)\n".utf8) + key).prefix(20))
    }

    private static func head(_ item: Item) -> [UInt8] {
        let entry = item.entry
        return Array("\(magic) \(item.cache.rawValue) \(entry.storedAt) \(entry.expiresAt) \(Hexadecimal.text(item.key))\n".utf8)
    }

    private func content(_ name: String) -> (identity: FileIdentity, bytes: [UInt8])? {
        let path = "\(folder)/\(name)"
        var status = stat()
        guard lstat(folder, &status) == 0, isPrivate(status), let identity = FileIdentity(path: path),
            let bytes = Files.read(path, atMost: EntryLimits.valueBytes + 4096)
        else { return nil }
        return (identity, bytes)
    }

    /// nil for what is none of ours.
    private func stored(_ name: String, _ content: (identity: FileIdentity, bytes: [UInt8])) -> Stored? {
        let (identity, content) = content
        guard let end = content.firstIndex(of: UInt8(ascii: "\n")) else { return nil }
        let words = String(decoding: content[..<end], as: UTF8.self).split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 5, words[0] == Self.magic, let cache = CacheName(rawValue: String(words[1])), let storedAt = Int64(words[2]),
            let expiresAt = Int64(words[3]), let key = Self.bytes(ofHexadecimal: words[4].utf8)
        else { return nil }
        let entry = Entry(value: Array(content[(end + 1)...]), version: 0, storedAt: storedAt, expiresAt: expiresAt)
        return Stored(item: Item(cache: cache, key: key, entry: entry), file: name, identity: identity)
    }

    private static func bytes(ofHexadecimal digits: Substring.UTF8View) -> [UInt8]? {
        let values = digits.compactMap { Character(UnicodeScalar($0)).hexDigitValue }
        guard values.count == digits.count, values.count % 2 == 0 else { return nil }
        return stride(from: 0, to: values.count, by: 2).map { UInt8(values[$0] << 4 | values[$0 + 1]) }
    }
}
