import ArgumentParser
import FastCGI
import Gateway
import Glibc
import JSON

/// `swingmusic-fcgi check`: is this installation sound, and what is to be done when it is not?
struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Look over the installation: settings, folders, databases, store, Spotify, swingmusic, socket, nginx, pages.",
        discussion: """
            Before the first start or beside a running program. Best as root, who looks with the rights of the program's own user; that user sees \
            nearly all of it, and to anybody else what may not be looked at is 'unseen'. It changes nothing and never calls Spotify's Web API. \
            Each line says ok, unseen, warning or error, and below it what to do. Exits 0 when there is no error (warnings may be), 1 when there \
            is one.

            'check --health' asks the running program one question and prints nothing but trouble: 0 when it answers, 1 \
            when it does not. It fits Docker's HEALTHCHECK.

            EXAMPLES
              sudo swingmusic-fcgi check
              sudo swingmusic-fcgi check --quiet --online      what is wrong alone
              sudo swingmusic-fcgi check --url https://music.example
              swingmusic-fcgi check --env-file settings.env --json
            """)

    @Flag(help: "Only ask the running program for /swingmusic-fcgi/healthz, as a health check does.")
    var health = false

    @Flag(help: "Also ask Spotify's accounts service for a token, to prove the credentials. No call of the Web API is made.")
    var online = false

    @Flag(help: "Print only warnings and errors; nothing when all is well.")
    var quiet = false

    @Option(help: "Where the running program listens, when that is not SWINGMUSIC_FCGI_LISTEN: a path or host:port.")
    var socket: String?

    @Option(help: "What browsers open, when SWINGMUSIC_FCGI_PUBLIC_URL does not say: http://host:port, to look at our pages.")
    var url: String?

    @Option(help: "The user of nginx's workers, where it cannot be told from nginx itself.")
    var nginxUser: String?

    @Flag(help: "Print one JSON object instead of lines.")
    var json = false

    @OptionGroup var environment: EnvironmentOptions

    func validate() throws {
        if let socket, ListenAddress(socket) == nil {
            throw ValidationError("--socket: '\(socket)' is neither the absolute path of a socket nor host:port")
        }
        if let url, BaseURL(url) == nil {
            throw ValidationError("--url: '\(url)' is not http:// or https:// with a host and perhaps a port")
        }
        if let nginxUser, HostUser(named: nginxUser) == nil { throw ValidationError("--nginx-user: there is no user '\(nginxUser)'") }
    }

    func run() throws {
        let findings = try findings()
        let isSound = !findings.contains { $0.grade == .error }
        let troubles = findings.filter { $0.grade == .error || $0.grade == .warning }
        if json {
            Output.json(["sound": .bool(isSound), "findings": .array(findings.map(\.json))])
        } else if health {
            for finding in findings where finding.grade != .ok { Output.complain(finding.text) }
        } else {
            for finding in quiet ? troubles : findings { print(finding.text) }
            if !quiet || !troubles.isEmpty { print(Self.summary(findings)) }
        }
        // A health check that may not ask knows nothing.
        if !isSound || health && findings.contains(where: { $0.grade == .unseen }) { throw ExitCode.failure }
    }

    private func findings() throws -> [Finding] {
        let sources = SettingsSources(environment)
        let viewer = Viewer(sources)
        // Root may open every socket, whoever it belongs to; so this is asked before root's rights are given up.
        let listen = ListenAddress.texts(of: sources.environment[SettingName.listen.rawValue] ?? "").compactMap { ListenAddress($0) }
        let address = socket.flatMap { ListenAddress($0) } ?? (listen.isEmpty ? nil : listen.asked)
        let answer = HealthCheck.answer(of: address ?? Settings.usualListen)
        if health { return [HealthCheck.healthFinding(answer, address ?? Settings.usualListen)] }
        // From here on root sees what the program sees: what it may not read, the program may not either.
        if geteuid() == 0, let owner = viewer.owner, owner.id != 0 { try owner.become(group: owner.group) }
        let (settings, errors) = sources.read()
        let isPartHidden = !sources.closed.isEmpty || errors.contains(where: \.isForbidden)
        return SettingsCheck.findings(settings, errors, sources, viewer)
            + DatabaseCheck.findings(settings, viewer)
            + StoreCheck.findings(settings, isPartHidden: isPartHidden)
            + SharedStoreCheck.findings(settings, isPartHidden: isPartHidden)
            + SpotifyCheck.findings(settings, online: online, isPartHidden: isPartHidden)
            + SwingmusicCheck.findings(settings, viewer)
            + SocketCheck(
                settings: settings, address: address ?? settings.listen.asked, running: sources.running, viewer: viewer,
                isAddressKnown: address != nil || !isPartHidden
            )
            .findings(answer, nginxUser: nginxUser.flatMap { HostUser(named: $0) })
            + NetworkCheck(settings: settings, asked: address ?? settings.listen.asked).findings()
            + IncludeCheck.findings(settings)
            + ReadinessCheck.findings(settings, viewer)
            + PageCheck.findings(settings, at: url.flatMap { BaseURL($0) })
    }

    private static func summary(_ findings: [Finding]) -> String {
        func count(_ grade: Finding.Grade) -> Int { findings.count { $0.grade == grade } }
        let (errors, warnings, unseen) = (count(.error), count(.warning), count(.unseen))
        let found = "\(errors) error\(errors == 1 ? "" : "s"), \(warnings) warning\(warnings == 1 ? "" : "s")"
        if errors > 0 { return "not sound: \(found)" }
        return unseen == 0 ? "sound: \(found)" : "nothing wrong in what this user may see: \(found), \(unseen) unseen"
    }
}
