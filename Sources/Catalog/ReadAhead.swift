import Caching

/// A record that was read before its question was asked: from memory, or from DragonflyDB without waiting for it.
public struct ReadAhead: Sendable {
    let resource: Resource
    /// The resource's.
    let key: [UInt8]
    /// nil: there is none.
    let found: Found?
}
