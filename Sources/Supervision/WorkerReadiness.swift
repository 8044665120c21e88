import CSystem
import Glibc

/// How a worker tells `serve` that it serves.
public enum WorkerReadiness {
    /// Call exactly once, when requests are being answered: the descriptor's number is free for others afterwards.
    /// Does nothing in a worker that no `serve` started.
    public static func announce() {
        guard let supervised = Supervised.fromEnvironment(), getppid() == supervised.supervisor else { return }
        var byte: UInt8 = 1
        while write(supervised.descriptor, &byte, 1) < 0, errno == EINTR {}
        close(supervised.descriptor)
    }
}
