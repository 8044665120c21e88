import Caching
import Foundation
import Sessions
import Synchronization

/// Takes a step of the caches' and the sessions' maintenance every second, and a look at the figures, on a plain thread.
final class Upkeep: Sendable {
    private let isStopped = Atomic<Bool>(false)
    private let bell = DispatchSemaphore(value: 0)
    private let ended = DispatchSemaphore(value: 0)

    /// Starts the thread.
    init(_ caches: Caches, _ sessions: Sessions?, _ figures: FiguresPage) {
        let thread = Thread { [self] in
            while bell.wait(timeout: .now() + .seconds(1)) == .timedOut, !isStopped.load(ordering: .acquiring) {
                // What kept it from its work has been logged; the next step tries again.
                try? caches.maintain()
                sessions?.maintain()
                figures.sample()
            }
            ended.signal()
        }
        thread.name = "upkeep"
        thread.start()
    }

    /// Ends the thread after its step.
    func stop() {
        isStopped.store(true, ordering: .releasing)
        bell.signal()
        ended.wait()
    }
}
