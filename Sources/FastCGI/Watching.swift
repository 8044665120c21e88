import CSystem

extension EventLoop {
    /// Watches a descriptor of the application's.
    /// - Parameter ready: called when it can be read or has ended, on an event thread, by one thread at a time. It must not block, and
    ///   answers whether to go on; after false the descriptor may be closed.
    /// - Returns: false when epoll refuses the descriptor.
    public func watch(_ descriptor: CInt, _ ready: @escaping @Sendable () -> Bool) -> Bool {
        let number = reactor.watches.add(Watches.Watch(descriptor: descriptor, ready: ready))
        if reactor.poller.add(watched: descriptor, number) == 0 { return true }
        reactor.watches.remove(number)
        return false
    }

    /// Runs an action when all that was ready has been served. To be called on an event thread; it must not block.
    public func afterwards(_ action: @escaping @Sendable () -> Void) { reactor.afterwards.add(action) }

    /// Runs an action later, on the thread that keeps the time; it must not block.
    public func schedule(after duration: Duration, _ action: @escaping @Sendable () -> Void) {
        reactor.timetable.schedule(at: csys_monotonic_ns() + duration.nanoseconds, action)
    }
}

extension EventThread {
    /// Lets the owner of a watched descriptor look at it, and answers the requests that this was for.
    func look(atWatch number: UInt32) {
        guard let watch = reactor.watches[number] else { return }
        if !watch.ready() || reactor.poller.rearm(watched: watch.descriptor, number) != 0 { reactor.watches.remove(number) }
        for (connection, outcome) in reactor.kept.take() { conclude(connection, outcome) }
    }
}
