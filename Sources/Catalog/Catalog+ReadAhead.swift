extension Catalog {
    /// How a question's first record is best read.
    public enum Approach: Sendable {
        /// As the question does it.
        case asItComes
        /// It is here.
        case here(ReadAhead)
        /// `readAhead` can bring it.
        case ahead(Resource, key: [UInt8])
    }

    public func approach(to question: some Question) -> Approach {
        guard library.shelf.caches.mayAsk, let resource = question.firstResource, resource.cache == .spotify else { return .asItComes }
        let key = resource.cacheKey
        let found = library.shelf.caches.remembered(key)
        return found.map { .here(ReadAhead(resource: resource, key: key, found: $0)) } ?? .ahead(resource, key: key)
    }

    /// Reads a record of `approach`'s without waiting for DragonflyDB.
    /// - Parameter then: called once, on a thread of the caches' watcher; with nil when it could not be read.
    /// - Returns: false when it cannot be read so; `then` is not called, and the question is to be asked as it comes.
    public func readAhead(_ resource: Resource, key: [UInt8], then: @escaping @Sendable (ReadAhead?) -> Void) -> Bool {
        library.shelf.caches.ask(for: key) { result in
            then((try? result.get()).map { ReadAhead(resource: resource, key: key, found: $0) })
        }
    }
}
