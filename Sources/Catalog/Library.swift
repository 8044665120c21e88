import CSystem
import Caching

/// What is known, and the notes on what of it is used and what has to be renewed.
///
/// A class, so that what passes it on counts one reference and not one for each of its parts: the counts are shared by all threads.
final class Library: Sendable {
    let shelf: Shelf
    let desk: LookupDesk
    let latelyUsed: LatelyUsed
    private let recentUses: RecentUses

    init(shelf: Shelf, desk: LookupDesk, latelyUsed: LatelyUsed, recentUses: RecentUses) {
        self.shelf = shelf
        self.desk = desk
        self.latelyUsed = latelyUsed
        self.recentUses = recentUses
    }

    /// Reads a record for a caller. One that is due is noted for renewal, and that it was used.
    ///
    /// Both only when it did not come from the worker's memory: what is asked for a thousand times in the few seconds of a
    /// memory copy is noted once.
    func read(_ resource: Resource, ahead: ReadAhead? = nil) throws(CacheError) -> Reading {
        let reading = if let ahead { try shelf.read(resource, found: ahead.found) } else { try shelf.read(resource) }
        if case .hit(let served) = reading, served.tier != .memory, resource.cache == .spotify {
            let key = ahead?.key ?? resource.cacheKey
            if recentUses.isNews(key, now: csys_monotonic_ns()) { desk.noteUse(key) }
            if served.isDue { desk.noteDue(resource, since: served.dueAt) }
        }
        return reading
    }

    /// Reads a record that nobody asked for by its name: no note is made.
    func glance(_ resource: Resource) throws(CacheError) -> Reading { try shelf.read(resource) }
}
