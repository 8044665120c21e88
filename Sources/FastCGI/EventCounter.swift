import CSystem
import Glibc

/// An eventfd(2), which any thread may ring.
struct EventCounter: Sendable {
    let descriptor: CInt

    init() throws(EventLoopError) {
        descriptor = eventfd(0, CInt(EFD_CLOEXEC | EFD_NONBLOCK))
        guard descriptor >= 0 else { throw .system(call: "eventfd", errno: errno) }
    }

    func ring() {
        var one: UInt64 = 1
        _ = write(descriptor, &one, MemoryLayout<UInt64>.size)
    }

    func close() { _ = Glibc.close(descriptor) }
}
