import Glibc
import JSON
import Platform
import RateLimiting
import Sessions
import Spotify

/// What stands in the way, by the fixed word under which `/readyz`, the status page, `status`, `check` and the metrics speak of it.
///
/// A new one is a case here with its line in `remedy` (and in `keepsFromServing`, if it does), and the line in `Readiness.init` that sees
/// it; docs/operating.md has the table, and a test holds it against this.
public enum Trouble: String, CaseIterable, Sendable {
    case noWorkers = "no-workers"
    case dataFolder = "data-folder"
    case cacheDatabase = "cache-database"
    case limiterDatabase = "limiter-database"
    case sessionDatabase = "session-database"
    case swingmusicDatabase = "swingmusic-database"
    case swingmusicSettings = "swingmusic-settings"
    case fullDisk = "full-disk"
    case cooldown = "cooldown"
    case spentHour = "spent-hour"
    case refusedCredentials = "refused-credentials"
    case refusedAccount = "refused-account"
    case noCredentials = "no-credentials"
    case noToken = "no-token"
    case endedConsent = "ended-consent"
    case endingConsent = "ending-consent"
    case spotifyUnreachable = "spotify-unreachable"
    case noStore = "no-store"
    case noSharedStore = "no-shared-store"
    case silentHosts = "silent-hosts"
    case mixedHosts = "mixed-hosts"
    case aloneBesideHosts = "alone-beside-hosts"

    /// No hit or no sign-in can be served: 503. Of the others some lookups or writes have to wait.
    public var keepsFromServing: Bool {
        switch self {
        case .noWorkers, .dataFolder, .cacheDatabase, .limiterDatabase, .sessionDatabase, .swingmusicDatabase, .swingmusicSettings: true
        case .fullDisk, .cooldown, .spentHour, .refusedCredentials, .refusedAccount, .noCredentials, .noToken, .endedConsent,
            .endingConsent, .spotifyUnreachable, .noStore, .noSharedStore, .silentHosts, .mixedHosts, .aloneBesideHosts:
            false
        }
    }

    /// What is to be done about it.
    public var remedy: String {
        switch self {
        case .noWorkers: "start 'serve'"
        case .dataFolder: "give the folder to the user of 'serve', on a file system that can be written"
        case .cacheDatabase, .sessionDatabase: "see what 'check' says of the file; it must belong to the user of 'serve'"
        case .limiterDatabase: "see what 'check' says of the file; until then what is known is served, and nothing new is looked up"
        case .swingmusicDatabase: "see that SWINGMUSIC_CONFIG_DIR is swingmusic's folder and readable, and that swingmusic has started once"
        case .swingmusicSettings: "start swingmusic once (it writes the file), and see that it can be read"
        case .fullDisk: "make room; what is known is served meanwhile, and nothing is stored"
        case .cooldown: "wait: calls begin again by themselves; make sure that nothing else uses this app's credentials"
        case .spentHour: "wait: slots become free as the calls of the last hour grow old"
        case .refusedCredentials:
            "copy SPOTIFY_CLIENT_ID and SPOTIFY_CLIENT_SECRET anew from the app's page at developer.spotify.com, and restart"
        case .refusedAccount:
            "see that the app's owner has Premium, and look at the app's page at developer.spotify.com; calls begin again by themselves"
        case .noCredentials: "register an app at developer.spotify.com and set SPOTIFY_CLIENT_ID and SPOTIFY_CLIENT_SECRET"
        case .noToken, .spotifyUnreachable: "see that the host reaches Spotify (name service, firewall, proxy); it is tried again by itself"
        case .endedConsent, .endingConsent:
            "run 'swingmusic-fcgi connect' once more, or 'swingmusic-fcgi disconnect' to do without the account"
        case .noSharedStore:
            "see what 'check' says of SWINGMUSIC_FCGI_SHARED_STORE; what is known is served meanwhile, and nothing new is looked up"
        case .silentHosts:
            "start the host again, or where it is gone for good say so with 'swingmusic-fcgi hosts forget NAME'; until then calls are fewer"
        case .mixedHosts:
            "set SPOTIFY_CLIENT_SECRET, SPOTIFY_MIN_INTERVAL and SPOTIFY_CALLS_PER_HOUR alike on all hosts; until then the strictest pace holds, and what was fetched with another secret is fetched again"
        case .aloneBesideHosts:
            "set SWINGMUSIC_FCGI_SHARED_STORE as before; or, where no other host uses this account any more, leave it: this ends by itself after a day"
        case .noStore: "see that DragonflyDB runs and DRAGONFLYDB_HOST, _PORT and _PASSWORD are its own; SQLite serves meanwhile"
        }
    }
}

/// Whether the program can serve, and what keeps it from serving everything: the one place where that is decided.
public struct Readiness: Sendable, Equatable {
    public struct Complaint: Sendable, Equatable {
        public let trouble: Trouble
        /// For the administrator: there may be paths and names in it.
        public let text: String
    }

    /// What keeps it from serving first; none twice.
    public private(set) var complaints: [Complaint] = []

    init(complaints: [Complaint] = []) { self.complaints = complaints }

    /// Decides from what was seen.
    init(_ look: ReadinessLook) {
        noteFiles(look)
        if let sessions = look.sessions { noteSessions(sessions) }
        noteSpotify(look)
        if let account = look.account { noteAccount(account, now: look.now) }
        if !look.hasWorkers { note(.noWorkers, "no worker runs on \(look.dataDirectory)") }
        if let fault = look.storeFault {
            note(.noStore, "DragonflyDB is not used: \(fault)")
        } else if look.conditions.contains(.storeIsUnused) {
            note(.noStore, "DragonflyDB is not used by a worker; its log says why")
        }
        if let shared = look.shared { noteHosts(shared, look) }
        let order = Trouble.allCases
        complaints.sort { order.firstIndex(of: $0.trouble) ?? 0 < order.firstIndex(of: $1.trouble) ?? 0 }
    }

    private mutating func noteHosts(_ shared: SharedStanding, _ look: ReadinessLook) {
        guard shared.host != nil else {
            guard let seenAt = shared.seenAt, !shared.heard.isEmpty, look.now - WallTime(milliseconds: seenAt) < .seconds(86_400) else {
                return
            }
            let names = shared.heard.keys.sorted().joined(separator: ", ")
            return note(
                .aloneBesideHosts,
                "until \(WallTime(milliseconds: seenAt).text) this host shared its pace with \(names), and now calls without them")
        }
        if let fault = shared.fault {
            note(.noSharedStore, "nothing is looked up, since the store that hosts share cannot be used: \(fault)")
        } else if look.conditions.contains(.sharedStoreIsUnused) {
            note(.noSharedStore, "a worker looks nothing up, since the store that hosts share cannot be used; its log says why")
        }
        if shared.silent > 0 {
            let names = Set(shared.heard.keys).subtracting(shared.living).sorted().joined(separator: ", ")
            note(.silentHosts, "\(shared.silent) of the hosts \(names) went without a goodbye: the pace is divided by \(1 + shared.silent)")
        }
        if !shared.mixed.isEmpty {
            note(.mixedHosts, "the pace or the client secret is set otherwise on \(shared.mixed.joined(separator: ", "))")
        }
    }

    private mutating func noteFiles(_ look: ReadinessLook) {
        if let fault = look.cacheFault { note(.cacheDatabase, "\(look.dataDirectory)/cache.db cannot be read: \(fault)") }
        if look.isDiskFull || look.conditions.contains(.diskIsFull) {
            note(.fullDisk, "the disk of \(look.dataDirectory) is full" + (look.freeBytes.map { " (\($0 >> 10) KiB free)" } ?? ""))
        } else if let refusal = look.writeRefusal {
            note(.cacheDatabase, "\(look.dataDirectory)/cache.db cannot be written: \(refusal)")
        } else if look.conditions.contains(.cacheIsRefused) {
            note(.cacheDatabase, "\(look.dataDirectory)/cache.db cannot be written by a worker; its log says why")
        }
        if let fault = look.limiterFault { note(.limiterDatabase, "nothing is looked up: \(fault)") }
        for (file, reason) in look.unwritable {
            switch file {
            case "limiter.db": note(.limiterDatabase, "\(look.dataDirectory)/limiter.db cannot be written: \(reason)")
            case "cache.db": note(.cacheDatabase, "\(look.dataDirectory)/cache.db cannot be written: \(reason)")
            default: note(.dataFolder, "\(look.dataDirectory) cannot be written: \(reason)")
            }
        }
    }

    private mutating func noteSessions(_ sessions: SessionsHealth) {
        if let fault = sessions.database { note(.sessionDatabase, fault) }
        if let fault = sessions.users { note(.swingmusicDatabase, fault) }
        if let fault = sessions.settings { note(.swingmusicSettings, fault) }
    }

    private mutating func noteSpotify(_ look: ReadinessLook) {
        if !look.hasCredentials { note(.noCredentials, "SPOTIFY_CLIENT_ID is not set: what is cached is served, nothing new is looked up") }
        guard let limiter = look.limiter else { return }
        func until(_ instant: Int64) -> String { WallTime(milliseconds: instant).text }
        if let cooldown = limiter.cooldown { note(.cooldown, "\(cooldown.reason); no call before \(until(cooldown.endsAt))") }
        if limiter.callsInWindow >= limiter.callsPerWindow {
            note(
                .spentHour,
                "\(limiter.callsInWindow) of \(limiter.callsPerWindow) calls of the last hour count as made; the next at \(until(limiter.nextSlotAt))"
            )
        }
        if let refusal = limiter.refusedCredentials {
            note(.refusedCredentials, "\(refusal.reason) (\(refusal.failures) times); tried again from \(until(refusal.endsAt))")
        } else if let outage = limiter.tokenOutage {
            note(.noToken, "\(outage.reason); tried again from \(until(outage.endsAt))")
        }
        if let refusal = limiter.accountRefusal {
            note(
                .refusedAccount,
                "Spotify refuses this account, whatever is asked for: \(refusal.reason); tried again from \(until(refusal.endsAt))")
        }
        if let outage = limiter.upstream { note(.spotifyUnreachable, "\(outage.reason); tried again from \(until(outage.endsAt))") }
    }

    /// What is known of playlists is served all the same.
    private mutating func noteAccount(_ account: AccountStanding, now: WallTime) {
        if let reason = account.endReason {
            note(.endedConsent, "the connected Spotify account's consent has ended: \(reason); items of its playlists are not renewed")
        } else if account.isEnding(now: now) {
            note(.endingConsent, "the connected Spotify account's consent ends on \(account.endDay)")
        }
    }

    private mutating func note(_ trouble: Trouble, _ text: String) {
        if !complaints.contains(where: { $0.trouble == trouble }) { complaints.append(Complaint(trouble: trouble, text: text)) }
    }

    // MARK: In words

    public var isReady: Bool { !complaints.contains { $0.trouble.keepsFromServing } }
    /// `ok`, `degraded` or `unavailable`.
    public var status: String { !isReady ? "unavailable" : complaints.isEmpty ? "ok" : "degraded" }
    /// `degraded: cooldown, full-disk`.
    public var headline: String {
        complaints.isEmpty ? status : "\(status): \(complaints.map(\.trouble.rawValue).joined(separator: ", "))"
    }

    /// What `/readyz` and `status.json` have of it.
    /// - Parameter withTexts: for the administrator; others get the words alone.
    func json(withTexts: Bool) -> JSONValue {
        func words(_ keepsFromServing: Bool) -> JSONValue {
            .array(complaints.filter { $0.trouble.keepsFromServing == keepsFromServing }.map { .string($0.trouble.rawValue) })
        }
        let details = complaints.map { complaint -> JSONValue in
            [
                "word": .string(complaint.trouble.rawValue), "text": .string(complaint.text),
                "remedy": .string(complaint.trouble.remedy),
            ]
        }
        return .object([
            "status": .string(status), "reasons": words(true), "warnings": words(false), "details": withTexts ? .array(details) : nil,
        ])
    }
}

/// What is seen of an installation at one moment, for `Readiness` to decide from.
struct ReadinessLook: Sendable {
    var dataDirectory: String
    /// Why `cache.db` cannot be read; nil: it can.
    var cacheFault: String?
    /// Why this process could not write to it.
    var writeRefusal: String?
    var isDiskFull = false
    var freeBytes: UInt64?
    /// Why this process does not use DragonflyDB.
    var storeFault: String?
    /// What the workers tell of themselves.
    var conditions: WorkerConditions = []
    var hasWorkers = true
    /// nil with `limiterFault`.
    var limiter: RateLimiterStatus?
    var limiterFault: String?
    /// Of our own files, and why: the folder is called "".
    var unwritable: [(file: String, reason: String)] = []
    /// nil without sessions.
    var sessions: SessionsHealth?
    var hasCredentials = true
    /// nil: this host never shared its account with others.
    var shared: SharedStanding?
    /// nil: none is connected.
    var account: AccountStanding?
    var now = SystemClock().wall

    /// Which of our own files, or the folder, this user may not write.
    static func unwritable(in folder: String) -> [(file: String, reason: String)] {
        ["", "cache.db", "limiter.db"].compactMap { file in
            guard access("\(folder)/\(file)", W_OK) != 0, errno != ENOENT else { return nil }
            return (file, String(cString: strerror(errno)))
        }
    }
}

extension RateLimiterStatus.Cooldown {
    var reason: String { quotaExceeded ? "429: the quota is exceeded" : "429: too many requests" }
}

/// What only a worker itself knows of its troubles, as it stands in its slot of `figures.shared`: each bit has its meaning for good.
struct WorkerConditions: OptionSet, Sendable {
    let rawValue: UInt64

    static let diskIsFull = WorkerConditions(rawValue: 1)
    static let cacheIsRefused = WorkerConditions(rawValue: 2)
    static let storeIsUnused = WorkerConditions(rawValue: 4)
    static let settingsAreUnknown = WorkerConditions(rawValue: 8)
    static let sharedStoreIsUnused = WorkerConditions(rawValue: 16)
}
