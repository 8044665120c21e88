import Caching
import Logging
import Turnstile

/// The catalog: what is known is read at once, what is not is looked up behind the turnstile.
public final class Catalog: Sendable {
    public let desk: LookupDesk
    let shelf: Shelf
    private let thread: LookupThread

    /// Starts the lookup thread.
    public init(caches: Caches, turnstile: Turnstile, configuration: CatalogConfiguration, log: Logger) {
        shelf = Shelf(caches: caches, temporaryTTL: configuration.temporaryTTL)
        desk = LookupDesk()
        thread = LookupThread(desk: desk, shelf: shelf, turnstile: turnstile, configuration: configuration, log: log)
    }

    /// Reads a record for a caller. A stale one is noted for renewal, and that it was used.
    ///
    /// Both only when it did not come from the worker's memory: what is asked for a thousand times in the few seconds of a
    /// memory copy is noted once.
    public func read(_ resource: Resource) throws(CacheError) -> Reading {
        let reading = try shelf.read(resource)
        if case let .hit(served) = reading, served.tier != .memory, resource.cache == .spotify {
            desk.noteUse(resource.cacheKey)
            if served.freshness == .stale { desk.noteStale(resource) }
        }
        return reading
    }

    /// Answers a question from what is known.
    /// - Parameters:
    ///   - base: scheme and host for the mirror's links.
    ///   - isLast: nothing more will come; a question that may be patchy then answers with what there is.
    public func answer(_ question: some Question, base: String, isLast: Bool = false) throws(CacheError) -> Composition {
        var reader = Reader(catalog: self, base: base, isLast: isLast)
        do {
            let body = try question.compose(&reader)
            guard let body, reader.missing.isEmpty || (isLast && question.mayBePatchy) else { return .missing(reader.missing) }
            return .complete(reader.composed(body))
        } catch let denial as Denial {
            return .denied(denial)
        } catch let error as CacheError {
            throw error
        } catch {
            return .missing(reader.missing)
        }
    }

    /// Ends the lookup thread.
    public func stop() { thread.stop() }
}
