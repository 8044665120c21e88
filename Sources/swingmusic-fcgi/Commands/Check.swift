import ArgumentParser
import FastCGI
import Foundation
import Gateway
import JSON

/// `swingmusic-fcgi check`: is this installation sound, and what is to be done when it is not?
struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Look over the installation: settings, folders, databases, store, Spotify, swingmusic, socket, pages.",
        discussion: """
            Run it with the environment and as the user of 'serve', before the first start or beside a running one. It \
            changes nothing and never calls Spotify's Web API. Each line says ok, warning or error, and below it what to do. \
            Exits 0 when there is no error (warnings may be), 1 when there is one.

            'check --health' asks the running program one question and prints nothing but trouble: 0 when it answers, 1 \
            when it does not. It fits Docker's HEALTHCHECK.
            """)

    @Flag(help: "Only ask the running program for /swingmusic-fcgi/healthz, as a health check does.")
    var health = false

    @Flag(help: "Also ask Spotify's accounts service for a token, to prove the credentials. No call of the Web API is made.")
    var online = false

    @Option(help: "Where the running program listens, when that is not SWINGMUSIC_FCGI_LISTEN (a systemd socket): a path or host:port.")
    var socket: String?

    @Option(help: "What browsers open, when SWINGMUSIC_FCGI_PUBLIC_URL does not say: http://host:port, to look at our pages.")
    var url: String?

    @Flag(help: "Print one JSON object instead of lines.")
    var json = false

    func validate() throws {
        if let socket, ListenAddress(socket) == nil {
            throw ValidationError("--socket: '\(socket)' is neither the absolute path of a socket nor host:port")
        }
        if let url, BaseURL(url) == nil {
            throw ValidationError("--url: '\(url)' is not http:// or https:// with a host and perhaps a port")
        }
    }

    func run() throws {
        let findings = findings()
        let isSound = !findings.contains { $0.grade == .error }
        if json {
            Output.json(["sound": .bool(isSound), "findings": .array(findings.map(\.json))])
        } else if health {
            for finding in findings where finding.grade != .ok { Output.complain(finding.text) }
        } else {
            for finding in findings { print(finding.text) }
            print(Self.summary(findings))
        }
        if !isSound { throw ExitCode.failure }
    }

    private func findings() -> [Finding] {
        let environment = ProcessInfo.processInfo.environment
        let settings: Settings
        do {
            settings = try Settings(environment: environment)
        } catch {
            return [
                .error(error.name, error.problem, remedy: "correct \(error.name), see docs/settings.md; 'serve' does not start like this")
            ]
        }
        let address = socket.flatMap { ListenAddress($0) } ?? settings.listen
        if health { return [HealthCheck.healthFinding(address)] }
        return SettingsCheck.findings(settings, environment)
            + DatabaseCheck.findings(settings)
            + StoreCheck.findings(settings)
            + SpotifyCheck.findings(settings, online: online)
            + SwingmusicCheck.findings(settings)
            + SocketCheck.findings(settings, address)
            + IncludeCheck.findings(settings)
            + ReadinessCheck.findings(settings)
            + PageCheck.findings(settings, at: url.flatMap { BaseURL($0) })
    }

    private static func summary(_ findings: [Finding]) -> String {
        let errors = findings.count { $0.grade == .error }
        let warnings = findings.count { $0.grade == .warning }
        let found = "\(errors) error\(errors == 1 ? "" : "s"), \(warnings) warning\(warnings == 1 ? "" : "s")"
        return errors == 0 ? "sound: \(found)" : "not sound: \(found)"
    }
}
