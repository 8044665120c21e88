import Caching

/// What is known, and the notes on what of it is used and what has to be renewed.
struct Library: Sendable {
    let shelf: Shelf
    let desk: LookupDesk
    let latelyUsed: LatelyUsed

    /// Reads a record for a caller. One that is due is noted for renewal, and that it was used.
    ///
    /// Both only when it did not come from the worker's memory: what is asked for a thousand times in the few seconds of a
    /// memory copy is noted once.
    func read(_ resource: Resource) throws(CacheError) -> Reading {
        let reading = try shelf.read(resource)
        if case let .hit(served) = reading, served.tier != .memory, resource.cache == .spotify {
            desk.noteUse(resource.cacheKey)
            if served.isDue { desk.noteDue(resource, since: served.dueAt) }
        }
        return reading
    }

    /// Reads a record that nobody asked for by its name: no note is made.
    func glance(_ resource: Resource) throws(CacheError) -> Reading { try shelf.read(resource) }
}
