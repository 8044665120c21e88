import CSystem
import Glibc
import Synchronization

/// How the attendant's thread is woken and ended: two eventfds (eventfd(2)) and what there is to sweep.
final class AttendantBell: Sendable {
    private let bell = eventfd(0, CInt(EFD_CLOEXEC) | CInt(EFD_NONBLOCK))
    private let end = eventfd(0, CInt(EFD_CLOEXEC) | CInt(EFD_NONBLOCK))
    private let sweeps = Mutex<[[UInt8]]>([])
    private static let mostSweeps = 64

    deinit {
        Glibc.close(bell)
        Glibc.close(end)
    }

    func ring() { Self.raise(bell) }

    /// Asks for a sweep of the keys that match, unless it is asked for already.
    func ring(sweep pattern: [UInt8]) {
        sweeps.withLock { sweeps in
            if !sweeps.contains(pattern), sweeps.count < Self.mostSweeps { sweeps.append(pattern) }
        }
        ring()
    }

    func stop() { Self.raise(end) }

    var nextSweep: [UInt8]? { sweeps.withLock { $0.first } }
    func finish(_ sweep: [UInt8]) { sweeps.withLock { sweeps in sweeps.removeAll { $0 == sweep } } }

    /// Waits until somebody rings. false: the end has come.
    func wait() -> Bool {
        var descriptors = [pollfd(fd: bell, events: Int16(POLLIN), revents: 0), pollfd(fd: end, events: Int16(POLLIN), revents: 0)]
        _ = poll(&descriptors, 2, -1)
        var rings: UInt64 = 0
        _ = read(bell, &rings, 8)
        return descriptors[1].revents == 0
    }

    /// Waits out the time between two probes, whoever rings. false: the end has come.
    func rest(milliseconds: CInt) -> Bool {
        var descriptor = pollfd(fd: end, events: Int16(POLLIN), revents: 0)
        _ = poll(&descriptor, 1, milliseconds)
        return descriptor.revents == 0
    }

    private static func raise(_ descriptor: CInt) {
        var one: UInt64 = 1
        _ = write(descriptor, &one, 8)
    }
}
