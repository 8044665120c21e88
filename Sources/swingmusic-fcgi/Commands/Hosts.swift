import ArgumentParser
import Gateway
import JSON
import Platform
import RESP
import RateLimiting

/// `swingmusic-fcgi hosts`: which hosts share one Spotify account.
struct HostsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hosts",
        abstract: "List the hosts that share one Spotify account, and forget one that is gone.",
        discussion: """
            Asks the store that SWINGMUSIC_FCGI_SHARED_STORE names. Started as root it acts as the owner of the data folder. Needs the account's \
            credentials, which a running 'serve' does not tell: set SPOTIFY_CLIENT_ID_FILE and SPOTIFY_CLIENT_SECRET_FILE, or name \
            --env-file, as in --env-file /etc/swingmusic-fcgi/environment.

            EXAMPLES
              sudo swingmusic-fcgi hosts list
              sudo swingmusic-fcgi hosts forget attic
            """,
        subcommands: [HostsList.self, HostsForget.self])

    /// Hosts look once a second.
    fileprivate static let watching = Duration.milliseconds(2500)

    fileprivate static func account(_ environment: EnvironmentOptions) throws -> (account: SharedAccount, settings: Settings) {
        let settings = try DataFolder(environment).settings
        guard settings.sharedStore != nil else { throw Refusal("SWINGMUSIC_FCGI_SHARED_STORE is not set: this host is alone") }
        guard let account = settings.sharedAccount else {
            throw Refusal(
                "SPOTIFY_CLIENT_ID and SPOTIFY_CLIENT_SECRET are not known here, and which account is shared goes by them; name --env-file with the file that sets them"
            )
        }
        return (account, settings)
    }

    fileprivate static func look(_ account: SharedAccount, _ settings: Settings) throws -> HostList {
        do throws(StoreFault) { return try HostList(of: account, rateLimit: settings.rateLimit, watching: watching) } catch {
            throw Refusal("the shared store cannot be used: \(error); 'swingmusic-fcgi check' says what is to be done")
        }
    }

    fileprivate struct Refusal: Error, CustomStringConvertible {
        let description: String
        init(_ description: String) { self.description = description }
    }
}

/// `hosts list`: all hosts, whether they live, and who calls.
struct HostsList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the hosts, whether each is alive, its pace and its last call.",
        discussion: """
            Watches the store for some seconds: who does not look at it meanwhile is silent. While a host is silent that said no goodbye the pace of \
            the others is divided, for an hour.

            EXAMPLES
              sudo swingmusic-fcgi hosts list --json
            """)

    @Flag(help: "Print one JSON object.")
    var json = false

    @OptionGroup var environment: EnvironmentOptions

    func run() throws {
        let (account, settings) = try HostsCommand.account(environment)
        let list = try HostsCommand.look(account, settings)
        if json { return Output.json(Self.tree(list)) }
        print(
            "\(list.store), answers in \(list.roundTrip.wholeNanoseconds / 1000) µs; \(list.isFounded ? "turn \(list.turn)" : "no turns yet")"
        )
        guard !list.hosts.isEmpty else { return print("no hosts") }
        print("")
        let rows =
            [["HOST", "STATE", "INTERVAL", "CALLS PER HOUR", "TURNS", "LAST TURN"]]
            + list.hosts.map { host in
                [
                    host.name + (host.name == settings.hostName ? " (this one)" : ""), host.isAlive ? "alive" : "silent",
                    "\(host.interval.wholeMilliseconds) ms", "\(host.callsPerWindow)", "\(host.turns)",
                    host.lastTurn.map { "\($0)" } ?? "-",
                ]
            }
        for line in TextColumns.lines(rows) { print(line) }
    }

    private static func tree(_ list: HostList) -> JSONValue {
        [
            "store": .string(list.store), "roundTripMicroseconds": .integer(list.roundTrip.wholeNanoseconds / 1000),
            "turn": .integer(list.turn),
            "hosts": .array(
                list.hosts.map { host in
                    [
                        "name": .string(host.name), "alive": .bool(host.isAlive),
                        "intervalMilliseconds": .integer(host.interval.wholeMilliseconds),
                        "callsPerHour": .integer(host.callsPerWindow), "turns": .integer(host.turns),
                        "lastTurn": host.lastTurn.map { .integer($0) } ?? .null,
                    ]
                }),
        ]
    }
}

/// `hosts forget`: says goodbye for a machine that cannot.
struct HostsForget: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "forget", abstract: "Forget a host that is gone for good, so that the others have its share of the pace.",
        discussion: """
            Only for a machine that does not run any more: one that is merely cut off would go on calling beside the others. Every running host hears \
            of it at once. Exits 3 when there is no such host.

            EXAMPLES
              sudo swingmusic-fcgi hosts forget attic
            """)

    @Argument(help: "The host's name, as 'hosts list' or the status shows it.")
    var name: String

    @OptionGroup var environment: EnvironmentOptions

    func validate() throws {
        if !name.isHostName { throw ValidationError("'\(name)' is no host's name") }
    }

    func run() throws {
        let (account, settings) = try HostsCommand.account(environment)
        let list = try HostsCommand.look(account, settings)
        let known = list.hosts.first { $0.name == name }
        guard known?.isAlive != true else { throw HostsCommand.Refusal("host \(name) is alive: stop it first") }
        // Who was silent before the store was emptied stands in the hosts' own files alone.
        let heard = (try? FileRateLimiter(of: settings, creating: false, log: .silent).status().shared?.heard.keys.contains(name)) ?? false
        guard known != nil || heard else {
            Output.complain("there is no host of that name")
            throw ExitStatus.nothingThere
        }
        do throws(StoreFault) { try HostList.forget(name, of: account, rateLimit: settings.rateLimit) } catch {
            throw HostsCommand.Refusal("the shared store cannot be used: \(error)")
        }
        print("host \(name) is forgotten")
    }
}

/// The store that hosts share: whether it is fit for that, and who is there.
enum SharedStoreCheck {
    private static let subject = "SWINGMUSIC_FCGI_SHARED_STORE"
    private static let mostOff = Duration.seconds(60)

    /// - Parameter isPartHidden: settings may be set that this user may not read.
    static func findings(_ settings: Settings, isPartHidden: Bool) -> [Finding] {
        guard settings.sharedStore != nil else { return [.ok(subject, "is not set: this host is alone with its account")] }
        guard let account = settings.sharedAccount else {
            return settings.hasCredentials
                ? [
                    Finding(
                        grade: .unseen, subject: subject,
                        detail:
                            "is set, and not looked at: which account is shared goes by SPOTIFY_CLIENT_ID, which the running program does not tell",
                        remedy: "name the file with the settings: --env-file")
                ]
                : [
                    .warning(
                        subject, "is set, and nothing is shared without SPOTIFY_CLIENT_ID",
                        remedy: "set the credentials, as on the other hosts")
                ]
        }
        return exposure(account.endpoint.host) + usability(account, settings, isPartHidden: isPartHidden)
    }

    private static func exposure(_ host: String) -> [Finding] {
        guard InternetAddress(host)?.isPrivate == false else { return [] }
        return [
            .warning(
                subject, "\(host) is no address of a private network: what is said there goes over the Internet as it is",
                remedy: "put the store in a private network, such as WireGuard (docs/hosts.md)")
        ]
    }

    private static func usability(_ account: SharedAccount, _ settings: Settings, isPartHidden: Bool) -> [Finding] {
        do throws(StoreFault) {
            return fitness(try HostList(of: account, rateLimit: settings.rateLimit, watching: .milliseconds(2500)), settings)
        } catch {
            if case .password = error, isPartHidden || settings.withheld.contains(.sharedStorePassword) {
                return [.unseen(subject, "wants a password, which the running program does not tell")]
            }
            return [.error(subject, "cannot be used: \(error)", remedy: remedy(error) + "; until then nothing is looked up")]
        }
    }

    /// It answers to who gives no password.
    private static func openness(isPasswordSet: Bool) -> Finding {
        let words = "asks for no password: whoever reaches it can stop all lookups"
        return isPasswordSet
            ? .error(subject, words, remedy: "give the store the same password (requirepass), and see that it can read it")
            : .warning(
                subject, words, remedy: "give the store one (requirepass), and set SWINGMUSIC_FCGI_SHARED_STORE_PASSWORD_FILE on each host")
    }

    private static func fitness(_ list: HostList, _ settings: Settings) -> [Finding] {
        let alive = list.hosts.filter(\.isAlive).map(\.name)
        var findings = [
            Finding.ok(
                subject,
                "is \(list.store), answers in \(list.roundTrip.wholeNanoseconds / 1000) µs; hosts alive: \(alive.isEmpty ? "none" : alive.joined(separator: ", "))"
            )
        ]
        if list.asksForNoPassword { findings.append(openness(isPasswordSet: settings.sharedAccount?.endpoint.password != nil)) }
        if let caches = settings.dragonfly, let store = settings.sharedStore, caches.host == store.host, caches.port == store.port {
            findings.append(
                .warning(
                    subject, "is the store of the caches, too (DRAGONFLYDB_HOST): when they have filled it nothing is looked up",
                    remedy: "take a second instance for one of them"))
        }
        if list.keepsOverRestart == false {
            findings.append(
                .warning(
                    subject, "keeps nothing over a restart: after one the hosts wait until they are sure that nobody called meanwhile",
                    remedy: "have it write to a disk (appendonly yes, or save)"))
        }
        if list.clockOffset.map({ abs($0) > mostOff }) ?? true {
            let said = list.clockOffset.map { "its clock is \($0.wholeSeconds) s off" } ?? "it has no clock"
            findings.append(
                .warning(
                    subject, "\(said): nothing rests on it but how long records stay there", remedy: "set the clock of the store's machine")
            )
        }
        let silent = list.hosts.filter { !$0.isAlive && $0.name != settings.hostName }.map(\.name)
        if !silent.isEmpty {
            findings.append(
                .warning(
                    "hosts", "\(silent.joined(separator: ", ")) went without a goodbye: the pace of the others is divided, for an hour",
                    remedy: "start it again, or where it is gone for good: swingmusic-fcgi hosts forget \(silent[0])"))
        }
        findings += agreement(list, settings)
        return findings
    }

    /// Whether the hosts that live can share.
    private static func agreement(_ list: HostList, _ settings: Settings) -> [Finding] {
        let others = list.hosts.filter { $0.isAlive && $0.name != settings.hostName }
        var findings: [Finding] = []
        func note(_ isConcerned: (HostList.Host) -> Bool, _ finding: (String) -> Finding) {
            let names = others.filter(isConcerned).map(\.name)
            if !names.isEmpty { findings.append(finding(names.joined(separator: ", "))) }
        }
        let own = list.hosts.first { $0.isAlive && $0.name == settings.hostName }
        let hasNamesake = (try? FileRateLimiter(of: settings, creating: false, log: .silent).hasNamesake()) ?? false
        if hasNamesake || own?.folder.map({ $0 != FileRateLimiter.mark(ofFolder: settings.dataDirectory) }) ?? false {
            findings.append(
                .error(
                    "hosts", "another host there calls itself \(settings.hostName), too: neither looks anything up",
                    remedy: "give each its own SWINGMUSIC_FCGI_HOST_NAME"))
        }
        note(\.asksElsewhere) {
            .error(
                "hosts", "another SPOTIFY_API_URL is set on \($0): nothing is looked up", remedy: "set SPOTIFY_API_URL alike on all hosts")
        }
        note(\.hasOtherSecret) {
            .warning(
                "hosts", "another SPOTIFY_CLIENT_SECRET is set on \($0): what it fetches is fetched again here, and the other way round",
                remedy: "set SPOTIFY_CLIENT_SECRET alike on all hosts")
        }
        note({ $0.interval != settings.minInterval || $0.callsPerWindow != settings.callsPerHour }) {
            .warning(
                "hosts", "another pace is set on \($0): the strictest holds for all",
                remedy: "set SPOTIFY_MIN_INTERVAL and SPOTIFY_CALLS_PER_HOUR alike on all hosts")
        }
        return findings
    }

    private static func abs(_ length: Duration) -> Duration { length < .zero ? .zero - length : length }

    private static func remedy(_ fault: StoreFault) -> String {
        switch fault {
        case .unreachable, .silent: "start the store, or correct SWINGMUSIC_FCGI_SHARED_STORE; see that the private network to it is up"
        case .loading: "wait until it has loaded"
        case .password: "set SWINGMUSIC_FCGI_SHARED_STORE_PASSWORD (or SWINGMUSIC_FCGI_SHARED_STORE_PASSWORD_FILE) to the store's password"
        case .foreign: "correct SWINGMUSIC_FCGI_SHARED_STORE: DragonflyDB, Redis or Valkey must answer there"
        case .refused(let said) where said.hasPrefix("READONLY"): "name the store that is written to, not a copy of it"
        case .refused(let said) where said.hasPrefix("OOM"): "give the store more memory, and nobody else"
        case .refused: "see the store's log and its limits; it must run Lua scripts and take writes"
        case .unsuitable: "do as it says, or name another store"
        }
    }
}
