/// Somebody who watches descriptors for this room: an event loop.
public protocol DescriptorWatcher: Sendable {
    /// - Parameter ready: called when the descriptor can be read or has ended, by one thread at a time; answers whether to go on. After
    ///   false the descriptor may be closed.
    /// - Returns: false when it cannot be watched.
    func watch(_ descriptor: Int32, _ ready: @escaping @Sendable () -> Bool) -> Bool

    /// Runs an action when all that was ready has been looked at. Called on a thread of the watcher's; it does not block.
    func afterwards(_ action: @escaping @Sendable () -> Void)

    /// Runs an action later; it does not block.
    func schedule(after duration: Duration, _ action: @escaping @Sendable () -> Void)
}
