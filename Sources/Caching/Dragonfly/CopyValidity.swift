/// When a copy may be served without asking the record: where copies in DragonflyDB are judged.
///
/// `session`, `user` and `temp`: never. A copy is served when its seal is the row's.
///
/// `spotify`: while the copy carries the present copy epoch. The copy epoch is a number that all workers share (`SharedState`), and it
/// is raised
/// - when a worker has connections anew, before they are used: the store may have been restarted, empty or from an old
///   snapshot;
/// - after a write to the record, before it is acknowledged, when its copy did not certainly reach the store and the
///   older copy is not certainly gone.
///
/// A copy is stamped with the copy epoch that held before the row was read (or written), so: a newer write that was lost raised
/// the copy epoch after that, and the stamp is old; one that was not lost is in the store, where an older copy never replaces it
/// (`DragonflyStore.offer`); a snapshot holds only stamps from before the present connections, whose copy epoch is newer. A
/// command that is carried out late carries the old copy epoch as well. A copy of another copy epoch is compared with its row, as in
/// the other caches, and stamped anew when it is right: one look into SQLite per key and outage.
///
/// A page that is not shared tells nothing about the other workers: every copy is then compared.
enum CopyValidity {
    enum Verdict: Equatable {
        /// No copy of this `cache.db`.
        case useless
        case served
        /// To be compared with the row.
        case doubtful
    }

    static func verdict(_ copy: StoredCopy?, of cache: CacheName, epoch: Int64, copyEpoch: UInt64, isShared: Bool) -> Verdict {
        guard let copy, copy.epoch == epoch else { return .useless }
        return cache == .spotify && isShared && copy.copyEpoch == copyEpoch ? .served : .doubtful
    }
}

extension Caches {
    /// What a look into the store is worth.
    /// - Parameter waits: whether the caller may wait until the store has what it lacks.
    func judge(_ look: LookupResult, _ cache: CacheName, _ key: [UInt8], waits: Bool = true) throws(CacheError) -> Found? {
        let verdict = CopyValidity.verdict(look.copy, of: cache, epoch: record.epoch, copyEpoch: look.copyEpoch, isShared: shared.isShared)
        guard verdict != .useless, let copy = look.copy else { return try mended(look, cache, key, waits: waits) }
        if verdict == .served { return Found(entry: copy.entry, tier: .dragonfly) }
        guard let seal = try record.seal(cache, key), seal == copy.entry.seal, copy.epoch == record.epoch else {
            return try mended(look, cache, key, waits: waits)
        }
        guard cache.keepsDueRows else {
            let end = try record.end(of: seal, cache, key)
            return end > clock.now ? Found(entry: copy.entry.ending(at: end), tier: .dragonfly) : nil
        }
        // Right, and stamped anew: the next reader need not ask.
        if shared.isShared { fill(cache, key, copy.entry, copyEpoch: look.copyEpoch, waits: waits) }
        return Found(entry: copy.entry, tier: .dragonfly)
    }

    /// SQLite's entry; the store gets it too.
    func mended(_ look: LookupResult, _ cache: CacheName, _ key: [UInt8], waits: Bool = true) throws(CacheError) -> Found? {
        if look.copy != nil { store?.counts.staleCopies.add(1, ordering: .relaxed) }
        let found = try fromRecord(cache, key)
        if let copy = look.copy, copy.epoch == record.epoch, copy.entry.version > found?.entry.version ?? 0 {
            // The row was read after the copy, so its version is the greater one, unless the record itself went back
            // (a backup, a lost commit): such a copy would never be replaced.
            _ = removeCopies(cache, [key])
        }
        if let found { fill(cache, key, found.entry, copyEpoch: look.copyEpoch, replacesWrong: look.isWrong, waits: waits) }
        return found
    }
}
