import Synchronization

/// The application's descriptors that the event loop watches beside its connections.
final class Watches: Sendable {
    struct Watch: Sendable {
        let descriptor: CInt
        let ready: @Sendable () -> Bool
    }

    private struct State {
        var watches: [UInt32: Watch] = [:]
        var lastNumber: UInt32 = 0
    }
    /// Held for a dictionary lookup.
    private let state = Mutex(State())

    /// Answers the number under which the watch is known.
    func add(_ watch: Watch) -> UInt32 {
        state.withLock { state in
            state.lastNumber = (state.lastNumber + 1) & 0x7fff_ffff
            state.watches[state.lastNumber] = watch
            return state.lastNumber
        }
    }

    func remove(_ number: UInt32) { state.withLock { _ = $0.watches.removeValue(forKey: number) } }

    subscript(number: UInt32) -> Watch? { state.withLock { $0.watches[number] } }
}
