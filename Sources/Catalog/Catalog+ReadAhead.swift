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

    public enum Beginning: Sendable {
        /// `then` will be called.
        case begun
        /// It need not be: this is the record, or nil where the question is to be asked as it comes.
        case ended(ReadAhead?)
    }

    /// Reads a record of `approach`'s without waiting for DragonflyDB; where that owes too many answers, from SQLite.
    /// - Parameter then: called once, on a thread of the caches' watcher; with nil when it could not be read.
    public func readAhead(_ resource: Resource, key: [UInt8], then: @escaping @Sendable (ReadAhead?) -> Void) -> Beginning {
        let caches = library.shelf.caches
        let asking = caches.ask(for: key) { result in
            then((try? result.get()).map { ReadAhead(resource: resource, key: key, found: $0) })
        }
        switch asking {
        case .asked: return .begun
        case .full: return .ended((try? caches.kept(key)).map { ReadAhead(resource: resource, key: key, found: $0) })
        case .impossible: return .ended(nil)
        }
    }
}
