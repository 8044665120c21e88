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

/// What a worker knows of the `serve` that started it: passed in one environment variable, `<descriptor> <process>`.
struct Supervised: Equatable {
    static let variable = "SWINGMUSIC_FCGI_SUPERVISOR"
    /// The write end of the readiness pipe has this number in every worker.
    static let descriptor: CInt = 3

    let descriptor: CInt
    let supervisor: pid_t

    init?(_ text: String) {
        let parts = text.split(separator: " ")
        guard parts.count == 2, let descriptor = CInt(parts[0]), let supervisor = pid_t(parts[1]),
            descriptor > 2, supervisor > 0
        else { return nil }
        self.descriptor = descriptor
        self.supervisor = supervisor
    }

    static func fromEnvironment() -> Supervised? {
        getenv(variable).flatMap { Supervised(String(cString: $0)) }
    }

    static func text(supervisor: pid_t) -> String { "\(descriptor) \(supervisor)" }
}
