import CSystem
import Glibc

/// An eventfd(2): any thread signals it without waiting, one thread waits for it alone or among other descriptors (epoll, curl, poll).
/// Signals that come together count as one.
public final class EventFD: Sendable {
    /// Readable while it is signalled. Open for as long as this object lives.
    public let descriptor: CInt

    public init() throws(SystemError) {
        descriptor = eventfd(0, CInt(EFD_CLOEXEC | EFD_NONBLOCK))
        guard descriptor >= 0 else { throw SystemError("eventfd") }
    }

    deinit { close(descriptor) }

    public func signal() {
        var one: UInt64 = 1
        // It fails only when 2^64 - 2 signals wait already.
        _ = write(descriptor, &one, MemoryLayout<UInt64>.size)
    }

    /// Waits for a signal, at most so long, and takes it. Answers whether one came; false also where a signal(7) of the process ended the
    /// wait, which on a `WorkerThread` none does.
    @discardableResult
    public func wait(within limit: Duration) -> Bool {
        let longest = Duration.seconds(86_400)
        guard csys_wait_readable(descriptor, UInt64(max(0, min(limit, longest).wholeNanoseconds))) > 0 else { return false }
        return take()
    }

    /// Takes the signals that are there, without waiting. Answers whether there was one.
    @discardableResult
    public func take() -> Bool {
        var count: UInt64 = 0
        return read(descriptor, &count, MemoryLayout<UInt64>.size) == MemoryLayout<UInt64>.size
    }
}
