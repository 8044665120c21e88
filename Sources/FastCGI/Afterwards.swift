import Synchronization

/// What is better done once for all that was ready than for each of it.
final class Afterwards: Sendable {
    private let actions = Mutex<[@Sendable () -> Void]>([])

    func add(_ action: @escaping @Sendable () -> Void) { actions.withLock { $0.append(action) } }

    func run() {
        let taken = actions.withLock { actions in
            guard !actions.isEmpty else { return [] as [@Sendable () -> Void] }
            defer { actions = [] }
            return actions
        }
        for action in taken { action() }
    }
}
