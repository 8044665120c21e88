import Glibc
import Synchronization

/// Every connection by its descriptor. Objects are made once per number and stay, so that a late event finds one to be stale on.
///
/// `@unchecked Sendable`: the places are atomics, written once each.
final class ConnectionTable: @unchecked Sendable {
    let capacity: Int
    /// Zeroed memory is an atomic zero, and pages that no descriptor reaches are never touched.
    private let places: UnsafeMutablePointer<Atomic<UInt>>

    init(capacity: Int) throws(EventLoopError) {
        guard let memory = calloc(capacity, MemoryLayout<Atomic<UInt>>.stride) else { throw .system(call: "calloc", errno: errno) }
        self.capacity = capacity
        places = memory.assumingMemoryBound(to: Atomic<UInt>.self)
    }

    deinit {
        for index in 0..<capacity { unmanaged(index)?.release() }
        free(places)
    }

    subscript(descriptor: CInt) -> Connection? {
        guard descriptor >= 0, Int(descriptor) < capacity else { return nil }
        return unmanaged(Int(descriptor))?.takeUnretainedValue()
    }

    /// The connection of a descriptor that was just accepted, which nobody else can have; nil when the number is beyond the table.
    func open(_ descriptor: CInt) -> Connection? {
        guard Int(descriptor) < capacity else { return nil }
        let connection: Connection
        if let known = self[descriptor] {
            connection = known
        } else {
            connection = Connection(descriptor: descriptor)
            let pointer = UInt(bitPattern: Unmanaged.passRetained(connection).toOpaque())
            places[Int(descriptor)].store(pointer, ordering: .releasing)
        }
        connection.open()
        return connection
    }

    func forEach(_ body: (Connection) -> Void) {
        for index in 0..<capacity {
            if let connection = unmanaged(index) { body(connection.takeUnretainedValue()) }
        }
    }

    private func unmanaged(_ index: Int) -> Unmanaged<Connection>? {
        UnsafeRawPointer(bitPattern: places[index].load(ordering: .acquiring)).map { Unmanaged<Connection>.fromOpaque($0) }
    }
}
