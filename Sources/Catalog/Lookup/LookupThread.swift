import Foundation
import Logging
import Spotify
import Synchronization
import RateLimiting

/// The one thread of a worker that queues lookups, takes turns and talks to Spotify. Nothing that it waits for is waited for
/// by an event thread.
public final class LookupThread: Sendable {
    private let desk: LookupDesk
    private let finished = DispatchSemaphore(value: 0)

    /// Starts the thread.
    public init(desk: LookupDesk, shelf: Shelf, turnstile: Turnstile, configuration: CatalogConfiguration, log: Logger) {
        self.desk = desk
        let finished = finished
        let thread = Thread {
            // The loop and its Spotify client belong to this thread alone, so they are made on it.
            LookupLoop(desk: desk, shelf: shelf, turnstile: turnstile, configuration: configuration, log: log).run()
            finished.signal()
        }
        thread.name = "lookup"
        thread.start()
    }

    /// Ends the thread after what it is just doing; calls in flight are given up, their leases fall to other workers.
    public func stop() {
        desk.stop()
        finished.wait()
    }
}
