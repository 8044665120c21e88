import FastCGI

/// Whether the running program answers.
enum HealthCheck {
    static func healthFinding(_ address: ListenAddress) -> Finding { finding(address, whenNobodyListens: .error) }

    /// - Parameter grade: a program that does not run is trouble for a health check, and none before the first start.
    static func finding(_ address: ListenAddress, whenNobodyListens grade: Finding.Grade) -> Finding {
        do throws(HealthProbe.Failure) {
            let status = try HealthProbe.ask(address)
            guard status == 200 else {
                return .error(
                    "health", "\(address) answers healthz with \(status)",
                    remedy: "see the log of 'serve'; is something else listening there?")
            }
            return .ok("health", "\(address) answers")
        } catch {
            return trouble(error, address, grade)
        }
    }

    private static func trouble(_ failure: HealthProbe.Failure, _ address: ListenAddress, _ grade: Finding.Grade) -> Finding {
        switch failure {
        case .nobodyListens(let reason):
            Finding(grade: grade, subject: "health", detail: "nobody listens at \(address): \(reason)", remedy: "start 'serve'")
        case .silent:
            .error("health", "\(address) accepts and does not answer", remedy: "see the log of 'serve', and restart it when it hangs")
        case .foreign:
            .error("health", "what answers at \(address) does not speak FastCGI", remedy: "correct SWINGMUSIC_FCGI_LISTEN")
        }
    }
}
