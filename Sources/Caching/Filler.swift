import Foundation

/// Entries of `spotify` that were read from the record and whose copies the store shall get, from whoever must not wait for it: a plain
/// thread tells the store, many at a time. What does not fit is left out; its next reader brings it again.
///
/// `@unchecked Sendable`: `condition`'s lock guards all variables.
final class Filler: @unchecked Sendable {
    struct Item {
        let key: [UInt8]
        let entry: Entry
        /// As it stood before the entry was read.
        let era: UInt64
    }

    private let condition = NSCondition()
    private var waiting: [Item] = []
    private var bytes = 0
    private var isBusy = false
    private var isClosed = false
    private static let mostBytes = 4 << 20

    /// Starts the thread; `fill` runs on it.
    func start(_ fill: @escaping @Sendable ([Item]) -> Void) {
        let thread = Thread { [self] in
            while let items = take() { fill(items) }
        }
        thread.name = "fill"
        thread.stackSize = 256 << 10
        thread.start()
    }

    func add(_ item: Item) {
        condition.withLock {
            guard !isClosed, bytes + item.entry.value.count <= Self.mostBytes else { return }
            waiting.append(item)
            bytes += item.entry.value.count
            if waiting.count == 1, !isBusy { condition.broadcast() }
        }
    }

    /// Waits until everything that was added has been told; for tests.
    func drain() { condition.withLock { while isBusy || !waiting.isEmpty { condition.wait() } } }

    /// Ends the thread after what it is just telling.
    func close() {
        condition.withLock {
            isClosed = true
            waiting = []
            condition.broadcast()
        }
    }

    private func take() -> [Item]? {
        condition.withLock {
            if isBusy {
                isBusy = false
                if waiting.isEmpty { condition.broadcast() }
            }
            while waiting.isEmpty, !isClosed { condition.wait() }
            guard !isClosed else { return nil }
            defer { (waiting, bytes, isBusy) = ([], 0, true) }
            return waiting
        }
    }
}
