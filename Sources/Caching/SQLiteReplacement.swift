import CSystem
import Glibc
import Logging
import Synchronization

/// Which file `cache.db` is: opened again when it was replaced, set aside when it is damaged. All of it under the gate,
/// so that one worker does it and the others find it done.
extension SQLiteStore {
    func file() throws(CacheError) -> CacheFile {
        guard !isClosed.load(ordering: .relaxed) else { throw .cannotRead("the caches are closed") }
        let file = current.withLock { $0 }
        if let file, file.generation == page.generation { return file }
        return try opened(replacing: file)
    }

    /// Whether the path still names the file that is open. Under the gate; raises the generation for all when not.
    func isCurrent(_ file: CacheFile) -> Bool {
        guard file.generation == page.generation else { return false }
        if FileIdentity.of(path) == file.identity { return true }
        page.raiseGeneration()
        return false
    }

    /// Looks whether the file was replaced by hand, or can be written again. About once a second, from `maintain()`.
    func lookAgain() throws(CacheError) {
        let file = try self.file()
        if FileIdentity.of(path) != file.identity {
            page.raiseGeneration()
            try opened(replacing: file)
        } else if file.writer == nil {
            try opened(replacing: file)
        }
    }

    /// The opening that stands in place of `old`: a thread that comes second finds the first one's.
    @discardableResult
    func opened(replacing old: CacheFile?, within patience: UInt64 = patience) throws(CacheError) -> CacheFile {
        guard page.gate.open(within: patience) else { throw .cannotRead("another process is opening cache.db") }
        defer { page.gate.close() }
        if let file = current.withLock({ $0 }), file !== old, file.generation == page.generation { return file }
        let file: CacheFile
        do throws(OpeningFailure) {
            file = try CacheFile(path: path, generation: page.generation, threads: threads)
        } catch {
            switch error {
            case .newerSchema(let found, let known): throw .newerSchema(found: found, known: known)
            case .failed(let reason): throw .cannotRead(reason)
            case .damaged(let reason): file = try begunAnew(reason)
            }
        }
        install(file)
        return file
    }

    private func install(_ file: CacheFile) {
        let old = current.withLock { current in
            defer { current = file }
            return current
        }
        old?.close()
        if file.writer == nil {
            page.noteReadOnly()
        } else if page.takeReadOnly() {
            // They may read the file as one that nobody changes: they must open it again before it is changed.
            page.raiseGeneration()
        }
        if let refusal = file.refusal { refused(refusal) }
    }

    // MARK: Damage

    /// Sets the file aside unless another worker has done so meanwhile.
    func setAside(_ file: CacheFile, _ reason: String) throws(CacheError) {
        // What is read as unchanging, and changes all the same, looks damaged and is not.
        guard file.writer != nil else { throw .cannotRead(reason) }
        guard page.gate.open(within: Self.patience) else { throw .cannotRead("another process is opening cache.db") }
        defer { page.gate.close() }
        guard isCurrent(file) else { return }
        install(try begunAnew(reason))
    }

    /// Sets the current file aside, when a check of it by `tend` found damage.
    func setAside(_ reason: String) throws(CacheError) { try setAside(try file(), reason) }

    /// Under the gate. The generation is raised first: from here on the other workers wait at the gate for the new file.
    /// The database goes before its log, since a log without a database is thrown away at the next opening.
    private func begunAnew(_ reason: String) throws(CacheError) -> CacheFile {
        page.raiseGeneration()
        let aside = "\(path).damaged-\(clock.now / 1000)"
        guard rename(path, aside) == 0 else { throw .cannotRead("cache.db is damaged (\(reason)) and cannot be set aside") }
        for suffix in ["-wal", "-shm", "-journal"] { rename(path + suffix, aside + suffix) }
        log.error("cache.db is damaged: it was set aside and an empty one begun", metadata: ["reason": "\(reason)", "kept": "\(aside)"])
        page.raiseEra()
        page.raiseAllMarks()
        do {
            return try CacheFile(path: path, generation: page.generation, threads: threads)
        } catch {
            throw .cannotRead("a new cache.db cannot be made: \(error)")
        }
    }
}
