import Caching
import FastCGI

/// The event loop, as the caches see it.
struct LoopWatcher: DescriptorWatcher {
    let loop: EventLoop

    func watch(_ descriptor: Int32, _ ready: @escaping @Sendable () -> Bool) -> Bool { loop.watch(descriptor, ready) }

    func afterwards(_ action: @escaping @Sendable () -> Void) { loop.afterwards(action) }

    func schedule(after duration: Duration, _ action: @escaping @Sendable () -> Void) { loop.schedule(after: duration, action) }
}
