import CSystem
import Glibc

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
