/// When a copy may be served without asking the record.
///
/// `session`, `user` and `temp`: never. A copy is served when its seal is the row's.
///
/// `spotify`: while the copy carries the present era. The era is a number that all workers share (`SharedPage`), and it
/// is raised
/// - when a worker has connections anew, before they are used: the store may have been restarted, empty or from an old
///   snapshot;
/// - after a write to the record, before it is acknowledged, when its copy did not certainly reach the store and the
///   older copy is not certainly gone.
///
/// A copy is stamped with the era that held before the row was read (or written), so: a newer write that was lost raised
/// the era after that, and the stamp is old; one that was not lost is in the store, where an older copy never replaces it
/// (`DragonflyStore.offer`); a snapshot holds only stamps from before the present connections, whose era is newer. A
/// command that is carried out late carries the old era as well. A copy of another era is compared with its row, as in
/// the other caches, and stamped anew when it is right: one look into SQLite per key and outage.
///
/// A page that is not shared tells nothing about the other workers: every copy is then compared.
enum Trust {
    enum Verdict: Equatable {
        /// No copy of this `cache.db`.
        case useless
        case served
        /// To be compared with the row.
        case doubtful
    }

    static func verdict(_ copy: Copy?, of cache: CacheName, epoch: Int64, era: UInt64, isShared: Bool) -> Verdict {
        guard let copy, copy.epoch == epoch else { return .useless }
        return cache == .spotify && isShared && copy.era == era ? .served : .doubtful
    }
}
